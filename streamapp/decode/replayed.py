"""When a record was first written, for one that was sent back from the dead-letter topic.

A copy has the time of its sending as its timestamp: with the original's, the topic's retention could take it away at
once.
"""

from streamapp.types import LATEST_MS, Int64, RecordBatch

FIRST_WRITTEN = "streamapp.replay.timestamp"
"""Header with the original's timestamp, ms since the epoch, in decimal digits."""


def first_written_ms(records: RecordBatch) -> Int64:
    """Timestamps int64 (n,); a copy's is that of its original. A header that is no number is passed over."""
    if not any(records.headers):
        return records.timestamps_ms
    found = [
        (row, int(value))
        for row, headers in enumerate(records.headers)
        for name, value in headers
        if name == FIRST_WRITTEN and value and value.isdigit() and len(value) < 16 and int(value) <= LATEST_MS
    ]
    if not found:
        return records.timestamps_ms
    times_ms = records.timestamps_ms.copy()
    for row, at_ms in found:
        times_ms[row] = at_ms
    return times_ms
