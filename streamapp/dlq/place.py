"""How people write where a record is."""

import re

from streamapp.errors import ConfigError
from streamapp.types import Place

_ADDRESS = re.compile(r"(?:(?P<topic>[A-Za-z0-9._-]+)/)?(?P<partition>\d+)[/:](?P<offset>\d+)")


def parse_place(text: str, topic: str) -> Place:
    """`TOPIC/PARTITION/OFFSET`, or `PARTITION:OFFSET` in `topic`. Raises `ConfigError`.

    >>> str(parse_place("3:17", "dead"))
    'dead/3/17'
    """
    found = _ADDRESS.fullmatch(text.strip())
    if found is None:
        raise ConfigError(
            f"`{text}` is no address: write PARTITION:OFFSET of the dead-letter topic (3:17), or "
            "TOPIC/PARTITION/OFFSET of the letter or of the event that failed (payments/3/4711)"
        )
    return Place(found["topic"] or topic, int(found["partition"]), int(found["offset"]))
