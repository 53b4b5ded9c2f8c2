"""Failed rows as they came, with the cause in their headers."""

from collections.abc import Mapping, Sequence

import numpy as np

from streamapp.types import Failure, Failures, Headers, OutgoingBatch, Place, RecordBatch

CONNECT = "__connect.errors."
"""Prefix of the headers that Kafka Connect's dead-letter queue writes, under its names."""
OWN = "streamapp.errors."
"""Prefix of the headers that say what was broken."""


def encode_dead_letters(records: RecordBatch, failures: Failures, ids: Sequence[str], topic: str) -> OutgoingBatch:
    """One record per failed row, in row order: original key, value and headers byte for byte, plus the cause.

    ids: per row the event's id, empty where it is not known. The partition is the input's number.
    """
    rows = np.array(sorted(failures), np.int64)
    picked = rows.tolist()
    return OutgoingBatch(
        topic,
        rows,
        records.partitions[rows],
        [records.keys[row] for row in picked],
        [records.values[row] for row in picked],
        [(*records.headers[row], *_cause(records, row, failures[row], ids[row])) for row in picked],
    )


def split_cause(headers: Headers) -> tuple[Headers, dict[str, str]]:
    """The original's headers and ours as text, which begin with the last header that names the topic; none of ours in a
    record that is no dead letter."""
    names = [name for name, _ in headers]
    if CONNECT + "topic" not in names:
        return headers, {}
    start = len(names) - 1 - names[::-1].index(CONNECT + "topic")
    return headers[:start], {name: value.decode("utf-8", "replace") for name, value in headers[start:]}


def event_place(cause: Mapping[str, str]) -> Place | None:
    """Where the record was that failed; None where the cause does not say."""
    topic = cause.get(CONNECT + "topic", "")
    partition, offset = (whole(cause.get(CONNECT + name, "")) for name in ("partition", "offset"))
    return None if not topic or partition is None or offset is None else Place(topic, partition, offset)


def whole(text: str) -> int | None:
    """The number that a header says, None where it says none or more than 18 digits, which int64 may not hold."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def _cause(records: RecordBatch, row: int, failure: Failure, id_: str) -> Headers:
    headers = [
        (CONNECT + "topic", records.topics[row]),
        (CONNECT + "partition", str(records.partitions[row])),
        (CONNECT + "offset", str(records.offsets[row])),
        (CONNECT + "stage", failure.stage),
        (CONNECT + "exception.class.name", f"streamapp.{failure.stage}.{failure.code}"),
        (CONNECT + "exception.message", failure.message),
        (OWN + "code", failure.code),
        (OWN + "timestamp", str(records.timestamps_ms[row])),
    ]
    optional = (("field", failure.field), ("rule", failure.rule), ("value", failure.value), ("id", id_))
    headers += [(OWN + name, value) for name, value in optional if value]
    return [(name, value.encode("utf-8", "backslashreplace")) for name, value in headers]
