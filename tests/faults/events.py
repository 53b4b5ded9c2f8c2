"""What is fed: events that can be told apart, and the places where the broker put them."""

import zlib
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import orjson


class Place(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Event:
    """A record's worth of input: who made it, for which key, the how manieth.

    number is a whole number below 2**20, so that the model's answer is exact in float32.
    """

    producer: str
    key: str
    sequence: int
    number: float
    value: bytes

    @property
    def id(self) -> str:
        """Unique in a run."""
        return f"{self.producer}/{self.key}/{self.sequence}"


def make_event(producer: str, key: str, sequence: int) -> Event:
    """The event of that id; the same id gives the same bytes."""
    id_ = f"{producer}/{key}/{sequence}"
    number = float(zlib.crc32(id_.encode()) % 1_000_000 + 1)
    value = orjson.dumps({"id": id_, "number": number, "payload": digest(id_.encode()) * 3})
    return Event(producer, key, sequence, number, value)


def expected_score(number: float) -> float:
    """What the suite's model (`model.py`) answers."""
    return 2.0 * number + 1.0


def digest(value: bytes | None) -> str:
    """A checksum that tells payloads apart; None is a payload too."""
    return "null" if value is None else blake2b(value, digest_size=8).hexdigest()
