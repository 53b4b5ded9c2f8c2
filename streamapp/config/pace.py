"""How often a worker does what it does regularly."""

from streamapp.config.settings import PipelineSettings

AT_LEAST_ONCE_COMMIT_S = 1.0
EXACTLY_ONCE_COMMIT_S = 0.2
LOOK_S = 1.0
"""Between two looks at a worker's progress."""


def commit_interval_s(settings: PipelineSettings) -> float:
    """Time between commits; by default short where readers wait for the transaction."""
    if settings.worker.commit_interval_s is not None:
        return settings.worker.commit_interval_s
    return EXACTLY_ONCE_COMMIT_S if settings.delivery == "exactly_once" else AT_LEAST_ONCE_COMMIT_S
