"""From a plan of who serves what to a `Serving` that a pipeline can be given while it runs."""

from streamapp.serving.builder import ServingBuilder
from streamapp.serving.plan import declared_plan
from streamapp.serving.thread import build_in_thread

__all__ = ["ServingBuilder", "build_in_thread", "declared_plan"]
