"""Times of the registry: ISO 8601 in UTC, to a second."""

from datetime import datetime, timezone

from streamapp.errors import RegistryError


def iso_of_ms(ms: int) -> str:
    """
    >>> iso_of_ms(1_357_016_400_000)
    '2013-01-01T05:00:00Z'
    """
    return _text(datetime.fromtimestamp(ms / 1000, timezone.utc))


def iso_of_text(text: str, what: str) -> str:
    """A date or time as people write it, UTC where it has no offset. Raises `RegistryError`.

    >>> iso_of_text("2013-01-01", "start"), iso_of_text("2013-01-01T06:30+01:00", "start")
    ('2013-01-01T00:00:00Z', '2013-01-01T05:30:00Z')
    """
    try:
        return _text(_instant(text).astimezone(timezone.utc))
    except (ValueError, OverflowError):
        raise RegistryError(f"{what}: {text!r} is no ISO 8601 time, such as 2013-01-01 or 2013-01-01T05:00Z") from None


def ms_of_iso(text: str) -> int:
    """Raises `RegistryError`.

    >>> ms_of_iso("2013-01-01T05:00:00Z")
    1357016400000
    """
    try:
        return round(_instant(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise RegistryError(f"{text!r} is no ISO 8601 time") from None


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)


def _text(instant: datetime) -> str:
    return instant.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
