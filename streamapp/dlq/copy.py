"""A letter as the record that goes back to its input topic, and as the marker that says so."""

import orjson

from streamapp.decode.replayed import FIRST_WRITTEN
from streamapp.dlq.letter import REPLAY, Letter
from streamapp.kafka.copies import Copy
from streamapp.kafka.log_batches import Written
from streamapp.types import Place


def copy_of(letter: Letter, source: Place, partitions: int, keep_timestamp: bool, now_ms: int) -> Copy:
    """The original's key, value and headers for the partition that it came from, plus where the copy comes from.

    The headers of an earlier replay are replaced: `of` and `letter` are of this one, `origin` and `timestamp` stay the
    first record's.
    Where the topic has fewer `partitions` by now, the key decides.
    """
    earlier = {name: value for name, value in letter.headers if name.startswith(REPLAY)}
    headers = [(name, value) for name, value in letter.headers if not name.startswith(REPLAY)]
    address = str(source).encode()
    if letter.source_ms is not None:
        headers.append((FIRST_WRITTEN, earlier.get(FIRST_WRITTEN, b"%d" % letter.source_ms)))
    headers += [
        (REPLAY + "of", address),
        (REPLAY + "letter", str(letter.place).encode()),
        (REPLAY + "count", b"%d" % (letter.replays + 1)),
        (REPLAY + "origin", earlier.get(REPLAY + "origin", address)),
    ]
    return Copy(
        source.topic,
        source.partition if source.partition < partitions else None,
        letter.key,
        letter.value,
        headers,
        letter.source_ms if keep_timestamp else None,
        letter.failed_key.encode(),
        orjson.dumps({"letter": str(letter.place), "at": now_ms, "count": letter.replays + 1}),
    )


def letter_of(written: Written) -> str | None:
    """Where the letter is that a copy was made of or a marker is for; None of anything else."""
    for name, value in written.headers:
        if name == REPLAY + "letter":
            return value.decode("utf-8", "replace")
    try:
        marker = orjson.loads(written.value or b"")
    except orjson.JSONDecodeError:
        return None
    return marker.get("letter") if isinstance(marker, dict) else None
