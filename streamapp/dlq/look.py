"""Letters found, newest last, and their counts."""

import heapq
from collections import Counter
from dataclasses import dataclass, field

from streamapp.config.settings import PipelineSettings
from streamapp.dlq.filters import LetterFilter
from streamapp.dlq.letter import Letter, letters
from streamapp.dlq.shelf import open_shelf
from streamapp.errors import ConfigError
from streamapp.kafka.client import connection
from streamapp.kafka.markers import read_markers
from streamapp.types import Place


@dataclass(slots=True)
class Found:
    """The newest letters that match, oldest of them first, and how many match by stage, code and field.

    replayed: the `failed_key` of what was sent back.
    """

    newest: list[Letter] = field(default_factory=list)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    replayed: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        """All that match."""
        return self.counts.total()


async def find_letters(settings: PipelineSettings, wanted: LetterFilter, limit: int | None) -> Found:
    """Look through the whole dead-letter topic. Raises `BrokerUnavailable` and `ConfigError`."""
    client = connection(settings.kafka)
    shelf = await open_shelf(settings, client, create_markers=False)
    found = Found(replayed=await read_markers(client, shelf.marker_topic, shelf.marker_partitions))
    async for records in shelf.read(client, wanted.partitions or None):
        matching = [letter for letter in letters(records) if wanted.matches(letter)]
        found.counts.update((letter.stage, letter.code, letter.field) for letter in matching)
        found.newest += matching
        if limit is not None and len(found.newest) > limit:
            found.newest = heapq.nlargest(limit, found.newest, key=_age)
    found.newest.sort(key=_age)
    return found


async def find_letter(settings: PipelineSettings, place: Place) -> tuple[Letter, bool]:
    """The letter at `place`, or the latest one of the event at `place`, and whether it was sent back.

    Raises `ConfigError` where there is none.
    """
    of_letter = place.topic == settings.dead_letters.topic
    partitions = frozenset({place.partition}) if of_letter else frozenset()
    found = await find_letters(settings, LetterFilter(partitions=partitions, places=frozenset({place})), 1)
    if not found.newest:
        raise ConfigError(
            f"no dead letter is at {place} or of an event there; `streamapp dlq list` shows what there is"
        )
    letter = found.newest[0]
    return letter, letter.failed_key in found.replayed


def _age(letter: Letter) -> tuple[int, Place]:
    return letter.written_ms, letter.place
