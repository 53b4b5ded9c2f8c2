"""Failed rows as they came, with the cause in their headers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from streamapp.types import Failure, Failures, Headers, OutgoingBatch, Place, RecordBatch

CONNECT = "__connect.errors."
"""Prefix of the headers that Kafka Connect's dead-letter queue writes, under its names."""
OWN = "streamapp.errors."
"""Prefix of the headers that say what was broken."""
VALUE_OMITTED, KEY_OMITTED, CAUSE_OMITTED = (f"streamapp.{what}.omitted" for what in ("value", "key", "cause"))
"""Headers that say what a dead letter was too large for."""
TOO_LARGE = b"record_too_large"
_BRIEF = {
    *(CONNECT + name for name in ("topic", "partition", "offset", "stage", "exception.class.name")),
    *(OWN + name for name in ("code", "timestamp")),
    VALUE_OMITTED,
    KEY_OMITTED,
}
"""What a dead letter keeps however large the original was."""


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
    start = _start_of_cause(headers)
    return headers[:start], {name: value.decode("utf-8", "replace") for name, value in headers[start:]}


def shortened(letters: OutgoingBatch) -> OutgoingBatch | None:
    """The same dead letters with less in them, and a header that says so: first without their values, then without
    keys and the original's headers, then without what quotes it (message, id, value); None where nothing is left to
    leave out."""
    causes = [headers[_start_of_cause(headers) :] for headers in letters.headers]
    said = {name for cause in causes for name, _ in cause}
    values, keys, headers = letters.values, letters.keys, letters.headers
    if VALUE_OMITTED not in said:
        note, values = VALUE_OMITTED, [None] * len(letters)
    elif KEY_OMITTED not in said:
        note, keys, headers = KEY_OMITTED, [None] * len(letters), causes
    elif CAUSE_OMITTED not in said:
        note, headers = CAUSE_OMITTED, [[header for header in cause if header[0] in _BRIEF] for cause in causes]
    else:
        return None
    return replace(letters, keys=keys, values=values, headers=[[*each, (note, TOO_LARGE)] for each in headers])


def event_place(cause: Mapping[str, str]) -> Place | None:
    """Where the record was that failed; None where the cause does not say."""
    topic = cause.get(CONNECT + "topic", "")
    partition, offset = (whole(cause.get(CONNECT + name, "")) for name in ("partition", "offset"))
    return None if not topic or partition is None or offset is None else Place(topic, partition, offset)


def whole(text: str) -> int | None:
    """The number that a header says, None where it says none or more than 18 digits, which int64 may not hold."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def _start_of_cause(headers: Headers) -> int:
    names = [name for name, _ in headers]
    return len(names) - 1 - names[::-1].index(CONNECT + "topic") if CONNECT + "topic" in names else len(names)


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
