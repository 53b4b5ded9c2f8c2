"""The watch over a worker's progress leaves time for what may legitimately take long."""

from collections.abc import Iterator

from streamapp.config.rules.broken import Broken
from streamapp.config.settings import PipelineSettings


def rules(settings: PipelineSettings) -> Iterator[Broken]:
    """One try to read the online store ends before the worker counts as stuck."""
    limit_s = settings.worker.progress_timeout_s
    if not limit_s or settings.features is None:
        return
    read_s = settings.features.unavailable.read_timeout_s
    if limit_s <= read_s:
        yield Broken(
            ("worker", "progress_timeout_s"),
            f"{limit_s:g} s is no longer than one read of the online store may take "
            f"(features.unavailable.read_timeout_s, {read_s:g} s), which would end the worker while it waits",
            "make it several times that",
        )
