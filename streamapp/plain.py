"""Text and times as a terminal may show them."""

from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def iso(ms: int) -> str:
    """ISO 8601 in UTC, to a millisecond; the number itself outside the years 1 to 9999.

    >>> iso(1_357_016_400_000)
    '2013-01-01T05:00:00.000Z'
    """
    try:
        instant = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return str(ms)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def safe(text: str) -> str:
    """Without what steers a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
