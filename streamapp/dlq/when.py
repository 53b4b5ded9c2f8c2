"""Times as people read them."""

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
