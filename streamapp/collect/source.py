"""Where a metric's value comes from, as a plan writes it."""

from dataclasses import dataclass
from enum import Enum


class Origin(str, Enum):
    """LABEL: of the outcome that came later. SCORE: a score of the answer. LATENCY: from the record's timestamp to its
    score, ms. DEAD_LETTER: 1 for an event that could not be answered, 0 for an answer. ANSWERED: 1 for each answer."""

    LABEL = "label"
    SCORE = "score"
    LATENCY = "latency_ms"
    DEAD_LETTER = "dead_letter"
    ANSWERED = "answered"


WRITTEN = ("label", "score:NAME", "latency_ms", "dead_letter", "answered")
"""How they are written."""


@dataclass(frozen=True, slots=True)
class Source:
    """name: of a score."""

    origin: Origin
    name: str = ""


def parse_source(text: str) -> Source | None:
    """None for what is none.

    >>> parse_source("score:late"), parse_source("scores")
    (Source(origin=<Origin.SCORE: 'score'>, name='late'), None)
    """
    word, colon, name = text.partition(":")
    known = [origin for origin in Origin if origin.value == word]
    if not known or bool(colon) != (known[0] is Origin.SCORE) or (colon and not name):
        return None
    return Source(known[0], name)
