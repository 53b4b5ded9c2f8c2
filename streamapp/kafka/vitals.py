"""What a worker has to do at this moment, read off its parts for the watchdog. In the worker's loop only."""

from collections.abc import Callable

from streamapp.kafka.ledger import Ledger, Partition
from streamapp.kafka.line import ProductionLine
from streamapp.kafka.stats import Counters
from streamapp.kafka.transport import BatchConsumer
from streamapp.kafka.watchdog import Reading, Work

NOTHING_COMMITTED = -1


def take_reading(
    phase: str,
    consumer: BatchConsumer | None,
    room: Callable[[str], int],
    ledger: Ledger,
    line: ProductionLine,
    counters: Counters,
    other_retries: int,
) -> Reading:
    """The reading of a worker in `phase`. room: rows that may still be fetched of a topic. other_retries: tries
    repeated outside the production line."""
    retries = counters.retries + other_retries
    if consumer is None or phase != "working":
        return Reading(phase, retries=retries, oldest_in_flight_s=line.oldest_in_flight_s())
    places = consumer.position_and_end()
    work = {Work("answer", partition): at for partition, at in ledger.oldest_open().items()}
    for partition in ledger.committable():
        work[Work("commit", partition)] = counters.committed.get(partition, NOTHING_COMMITTED)
    for partition, (at, end) in places.items():
        # Without room the partition is paused, and answering is what must go on.
        if at < end and room(partition.topic) > 0:
            work[Work("fetch", partition)] = at
    if line.in_flight_rows:
        work[Work("finish", None)] = counters.batches
    return Reading(
        phase, work, retries, coordinator_known(consumer), partitions_held(consumer), line.oldest_in_flight_s()
    )


def coordinator_known(consumer: BatchConsumer) -> bool:
    """Whether the group's broker answers; aiokafka forgets it once a session has passed without a heartbeat."""
    inner = consumer._thread._consumer
    return inner is not None and inner._coordinator.coordinator_id is not None


def partitions_held(consumer: BatchConsumer) -> int:
    """How many partitions the group gave to this member."""
    inner = consumer._thread._consumer
    return 0 if inner is None else len(inner.assignment())


def where(partition: Partition | None) -> str:
    """`topic 3`, or what has no partition any more."""
    return "a batch whose partition is gone" if partition is None else f"{partition.topic} {partition.number}"
