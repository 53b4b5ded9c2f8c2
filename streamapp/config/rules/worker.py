"""The watch over a worker's progress leaves time for what may legitimately take long."""

from collections.abc import Iterator

from streamapp.config.pace import LOOK_S, commit_interval_s
from streamapp.config.rules.broken import Broken
from streamapp.config.settings import PipelineSettings


def rules(settings: PipelineSettings) -> Iterator[Broken]:
    """What a healthy worker waits for, and one try to read the online store, end before it counts as stuck."""
    limit_s = settings.worker.progress_timeout_s
    if not limit_s:
        return
    commit_s, delay_s = commit_interval_s(settings), settings.batching.max_queue_delay_microseconds / 1e6
    if limit_s <= max(commit_s, delay_s, LOOK_S):
        yield Broken(
            ("worker", "progress_timeout_s"),
            f"{limit_s:g} s ends workers that are well: one commits every {commit_s:g} s, lets rows wait for "
            f"{delay_s:g} s and is looked at every {LOOK_S:g} s",
            "make it several times the longest of these, and longer than the slowest batch takes; 0 turns it off",
        )
        return
    read_s = 0.0 if settings.features is None else settings.features.unavailable.read_timeout_s
    if limit_s <= read_s:
        yield Broken(
            ("worker", "progress_timeout_s"),
            f"{limit_s:g} s is no longer than one read of the online store may take "
            f"(features.unavailable.read_timeout_s, {read_s:g} s), which would end the worker while it waits",
            "make it several times that",
        )
