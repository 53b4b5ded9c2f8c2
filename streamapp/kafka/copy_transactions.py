"""What the broker forgot to end of the transactions that hold copies and the markers that say that they were made.

The markers are the account (`hanging_transactions`): a copy whose marker is committed was committed with it.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.structs import TopicPartition

from streamapp.errors import ConfigError, PublishError
from streamapp.kafka.hanging_transactions import Covered, Hanging, ahead_of_account, committed_of, end, left_by_commit
from streamapp.kafka.hanging_transactions import look as look_at
from streamapp.kafka.log_batches import Written
from streamapp.kafka.reading import read_topic

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CopyTransactions:
    """The transactions of one transactional id.

    topics: those that copies go to. original: what a copy was made of, or a marker is for; None of anything else.
    """

    options: Mapping[str, Any]
    transactional_id: str
    marker_topic: str
    topics: tuple[str, ...]
    original: Callable[[Written], str | None]

    async def settle(self, producer: AIOKafkaProducer) -> None:
        """End what hangs under this id: the markers first, then the copies, by whether their markers are there.

        The producer has just fenced those before. Waits for partitions without a leader: the caller brings the time
        limit. Raises `KafkaError`, `BrokerUnavailable`, and `ConfigError` where the topics may not be read.
        """
        partitions = [
            TopicPartition(topic, number)
            for topic in (self.marker_topic, *self.topics)
            for number in await producer.partitions_for(topic)
        ]
        while True:
            try:
                places = await look_at(producer, partitions)
            except TopicAuthorizationFailedError as error:
                raise ConfigError(
                    f"whether an earlier replay is still open in {error} may not be read: allow Read on the input "
                    "topics and the marker topic, or say --without-transactions"
                ) from error
            if not places.open:
                return
            covered = await self._covered(len(await producer.partitions_for(self.marker_topic)))
            markers = {tp: begins for tp, begins in places.open.items() if tp.topic == self.marker_topic}
            if markers:
                copies = {tp: trace for tp, trace in places.ended.items() if tp.topic != self.marker_topic}
                commit = await ahead_of_account(producer, copies, covered)
                await _end(producer, Hanging(markers), commit=commit)
            else:
                committed = await committed_of(producer, places.open, covered)
                await _end(producer, Hanging(committed or places.open), commit=bool(committed))

    async def confirm(self, producer: AIOKafkaProducer, written: set[TopicPartition]) -> None:
        """Commit what a commit left open of `written`. Waits and raises as `settle`."""

        async def hangs() -> Hanging:
            return Hanging((await look_at(producer, written)).open)

        while found := await left_by_commit(producer, hangs):
            await _end(producer, found, commit=True)

    async def _covered(self, marker_partitions: int) -> Covered:
        """Whether a copy's marker is committed."""
        made: set[str | None] = set()
        async for records in read_topic(self.options, self.marker_topic, range(marker_partitions)):
            made.update(map(self.original, map(Written, records.keys, records.values, records.headers)))

        def covered(tp: TopicPartition, written: Written) -> bool:
            original = self.original(written)
            if original is None:
                raise PublishError(
                    f"{tp.topic} {tp.partition} holds a record of a transaction of {self.transactional_id} that is no "
                    "copy, so whether it was committed cannot be told: end it with kafka-transactions.sh"
                )
            return original in made

        return covered


async def _end(producer: AIOKafkaProducer, found: Hanging, *, commit: bool) -> None:
    outcome = "committed" if commit else "aborted"
    log.error("the broker left a transaction of a replay open in %s: %s now", found, outcome)
    await end(producer, found, commit=commit)
