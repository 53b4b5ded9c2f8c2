"""What was read from the output topics, reduced to what the oracle compares."""

from dataclasses import dataclass

import orjson
from aiokafka import ConsumerRecord

from tests.faults.events import Place, digest

_EVENT = b'},"event":'


@dataclass(frozen=True, slots=True)
class Answer:
    """One prediction or dead letter: it stands `at` and answers the input record at `place`.

    digest is of the input's payload as the answer repeats it; id and score are None in a dead letter.
    """

    at: Place
    place: Place
    key: bytes | None
    digest: str
    timestamp_ms: int
    id: str | None = None
    score: float | None = None


def prediction(record: ConsumerRecord) -> Answer:
    """A JSON prediction written with `include_event: true`."""
    value: bytes = record.value
    fields = orjson.loads(value)
    source = fields["source"]
    event = value[value.index(_EVENT, value.index(b'"source":')) + len(_EVENT) : -1]
    place = Place(source["topic"], source["partition"], source["offset"])
    (score,) = fields["scores"].values()
    return Answer(_at(record), place, record.key, digest(event), record.timestamp, fields["id"], score)


def dead_letter(record: ConsumerRecord) -> Answer:
    """A dead letter with its headers in the style of Kafka Connect."""
    headers = dict(record.headers)
    topic, partition, offset = (
        headers[f"__connect.errors.{name}"].decode() for name in ("topic", "partition", "offset")
    )
    place = Place(topic, int(partition), int(offset))
    return Answer(_at(record), place, record.key, digest(record.value), record.timestamp)


def _at(record: ConsumerRecord) -> Place:
    return Place(record.topic, record.partition, record.offset)
