"""From a plan of who serves what to a `Serving` that a pipeline can be given while it runs."""

from streamapp.serving.builder import ServingBuilder
from streamapp.serving.plan import declared_plan
from streamapp.serving.thread import in_thread

__all__ = ["ServingBuilder", "declared_plan", "in_thread"]
