"""A broken rule."""

from dataclasses import dataclass

from streamapp.config.problems import Path


@dataclass(frozen=True, slots=True)
class Broken:
    """Where, what is wrong, what to do."""

    path: Path
    message: str
    remedy: str
