"""Durations as people write them."""

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

_NUMBER = r"(\d+(?:\.\d+)?)"
_WRITTEN = re.compile(rf"(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m(?!s))?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?")
_SECONDS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_UNITS = (("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
LONGEST_S = 1e9
"""About 31 years."""


def parse_duration(text: str) -> float:
    """Seconds. Raises ValueError.

    >>> parse_duration("1h30m"), parse_duration("500ms"), parse_duration("2.5")
    (5400.0, 0.5, 2.5)
    """
    if re.fullmatch(_NUMBER, text):
        return float(text)
    found = _WRITTEN.fullmatch(text)
    if not text or found is None:
        raise ValueError(f"`{text}` is no duration")
    # Added up exactly, so that 100ms is the number that 0.1 is.
    return math.fsum(float(part) * unit for part, unit in zip(found.groups(), _SECONDS, strict=True) if part)


def written_duration(seconds: float) -> str:
    """The same the other way round, to a millisecond.

    >>> written_duration(5400), written_duration(0.5)
    ('1h30m', '500ms')
    """
    left, text = round(seconds * 1000), ""
    for unit, ms in _UNITS:
        count, left = divmod(left, ms)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        try:
            return parse_duration(value.strip())
        except ValueError:
            pass
    raise PydanticCustomError("duration", "not a duration")


Duration = Annotated[float, Field(gt=0, lt=LONGEST_S), BeforeValidator(_seconds)]
"""A setting in seconds, written as `500ms`, `30s`, `5m`, `1h`, `1h30m`, `2d` or a number of seconds."""
