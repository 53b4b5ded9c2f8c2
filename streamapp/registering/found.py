"""What an import finds in its source: versions to register, and what it refuses with the reason."""

from dataclasses import dataclass
from pathlib import Path

from streamapp.protocols import Signature


@dataclass(frozen=True, slots=True)
class Found:
    """One model file. said: the signature as `where` has it; None if it has none."""

    model: str
    version: str
    path: Path
    runtime: str
    source: str
    said: Signature | None = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """What was found and is not imported."""

    model: str
    version: str
    reason: str
