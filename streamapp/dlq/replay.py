"""Letters back to their input topics."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamapp.config.settings import PipelineSettings
from streamapp.decode import build_decoder
from streamapp.dlq.choose import Fate, Tally, choose
from streamapp.dlq.copy import copy_of, letter_of
from streamapp.dlq.filters import LetterFilter
from streamapp.dlq.letter import Letter, letters
from streamapp.dlq.shelf import Shelf, open_shelf
from streamapp.kafka.client import connection
from streamapp.kafka.copies import CopyWriter
from streamapp.kafka.copy_transactions import CopyTransactions
from streamapp.kafka.markers import read_markers
from streamapp.protocols import Clock, Decoder


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How letters are sent back.

    validate: whether only those go back that the pipeline's schema takes now. limit: most letters sent back.
    keep_timestamp: whether copies get the original's timestamp and not the present; the topic's retention may then take
    them away at once. Their header has it in any case. transactions: whether copies and markers are written together
    or not at all. batch_rows: letters per transaction.
    """

    validate: bool = True
    dry_run: bool = False
    limit: int | None = None
    keep_timestamp: bool = False
    transactions: bool = True
    batch_rows: int = 500


async def replay(
    settings: PipelineSettings, base: Path, wanted: LetterFilter, options: ReplayOptions, clock: Clock
) -> Tally:
    """Send back the letters that are wanted and were not sent back before; oldest first per partition.

    1. Start the writer, which ends what an earlier replay had open. 2. Read the markers: nobody else adds to them now.
    3. Read the letters up to where the topic ends now, so that a copy that fails again waits for the next replay.
    4. Write copies and markers, `batch_rows` at a time, in one transaction each.

    A run that is cut off anywhere is finished by running it again. Raises `ConfigError`, `SchemaError`,
    `BrokerUnavailable` and `PublishError`.
    """
    decoder = build_decoder(settings.source, settings.event, base) if options.validate else None
    client = connection(settings.kafka)
    shelf = await open_shelf(settings, client, create_markers=not options.dry_run)
    async with _writer(settings, shelf, client, options) as writer:
        replayed = await read_markers(client, shelf.marker_topic, shelf.marker_partitions)
        job = _Replay(settings, options, shelf, decoder, writer, replayed, clock)
        async for records in shelf.read(client, wanted.partitions or None):
            await job.take([letter for letter in letters(records) if wanted.matches(letter)])
            if job.left() == 0:
                break
    return job.tally


@dataclass(slots=True, eq=False)
class _Replay:
    """One run. replayed grows with what it sends back; writer is None for a dry run."""

    settings: PipelineSettings
    options: ReplayOptions
    shelf: Shelf
    decoder: Decoder | None
    writer: CopyWriter | None
    replayed: set[str]
    clock: Clock
    tally: Tally = field(default_factory=Tally)

    def left(self) -> int | None:
        """How many may still be sent back."""
        limit = self.options.limit
        return None if limit is None else limit - self.tally.fates[Fate.REPLAYED]

    async def take(self, found: Sequence[Letter]) -> None:
        """Send back those of `found` that go back."""
        topics = [topic for topic in self.settings.source.topics if topic in self.shelf.partitions]
        chosen = choose(found, self.replayed, topics, self.decoder, self.tally)[: self.left()]
        for start in range(0, len(chosen), self.options.batch_rows):
            await self._send(chosen[start : start + self.options.batch_rows])

    async def _send(self, part: Sequence[Letter]) -> None:
        keep, now_ms = self.options.keep_timestamp, self.clock.now_ms()
        counts = self.shelf.partitions
        copies = [copy_of(x, x.source, counts[x.source.topic], keep, now_ms) for x in part if x.source]
        refused = [] if self.writer is None else await self.writer.write(copies)
        self.replayed.update(letter.failed_key for letter in part)
        self.tally.fates[Fate.REFUSED] += len(refused)
        self.tally.fates[Fate.REPLAYED] += len(part) - len(refused)


def copy_transactions(client: Mapping[str, Any], shelf: Shelf, inputs: Iterable[str]) -> CopyTransactions:
    """Those of all replays of one dead-letter topic, to these input topics."""
    return CopyTransactions(client, f"streamapp-replay-{shelf.topic}", shelf.marker_topic, tuple(inputs), letter_of)


@asynccontextmanager
async def _writer(
    settings: PipelineSettings, shelf: Shelf, client: dict[str, Any], options: ReplayOptions
) -> AsyncIterator[CopyWriter | None]:
    """A writer at work; None for a dry run."""
    if options.dry_run:
        yield None
        return
    inputs = [topic for topic in settings.source.topics if topic in shelf.partitions]
    transactions = copy_transactions(client, shelf, inputs) if options.transactions else None
    writer = CopyWriter(client, shelf.marker_topic, transactions)
    await writer.start()
    try:
        yield writer
    finally:
        await writer.stop()
