"""Exactly once: the outputs of a batch in the transactions of the input partitions that they answer."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from streamapp.errors import PublishError
from streamapp.kafka.ledger import Partition, Span
from streamapp.kafka.partition_transactions import PartitionTransactions, StartOver, Transactional, Unit
from streamapp.kafka.sending import BatchSender, Refused, Rejected, Undelivered, take
from streamapp.types import OutgoingBatch

log = logging.getLogger(__name__)

FENCE_AGAIN_S = 0.5


def units(batches: Sequence[OutgoingBatch], spans: Sequence[Span], ends: Sequence[int]) -> list[Unit]:
    """One unit per input partition: rows [ends[i - 1], ends[i]) answer spans[i]; `rows` ascend in each batch."""
    parts: dict[Partition, list[int]] = {}
    for i, span in enumerate(spans):
        parts.setdefault(span.partition, []).append(i)
    if len(parts) == 1:
        return [Unit(spans[-1], tuple(batches))]
    bounds = (0, *ends)
    found = []
    for mine in parts.values():
        chosen = []
        for batch in batches:
            edges = [np.searchsorted(batch.rows, [bounds[i], bounds[i + 1]]) for i in mine]
            rows = np.concatenate([np.arange(first, last, dtype=np.int64) for first, last in edges])
            if len(rows):
                chosen.append(take(batch, rows))
        found.append(Unit(spans[mine[-1]], tuple(chosen)))
    return found


class Transactions:
    """The transactions of every partition that the worker holds.

    start_over: told of a partition that this worker can do nothing more for until it is assigned anew.
    """

    def __init__(self, common: Transactional, start_over: Callable[[Partition], None]) -> None:
        self._common, self._start_over = common, start_over
        self._sender = BatchSender()
        self._held: dict[Partition, PartitionTransactions] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def assigned(self, partitions: Iterable[Partition], generation: int, within_s: float) -> None:
        """Fence whoever held these partitions before. Raises `PublishError` where that took longer than `within_s`
        seconds, `Refused` where the broker does not allow it."""
        held = {
            partition: PartitionTransactions(partition, generation, self._common, self._sender)
            for partition in partitions
        }
        self.lost(held)
        self._held.update(held)
        fencing = [asyncio.ensure_future(_fence(transactions)) for transactions in held.values()]
        try:
            await asyncio.wait_for(asyncio.gather(*fencing), within_s)
        except asyncio.TimeoutError as error:
            raise PublishError(f"{len(held)} partitions could not be fenced within {within_s:g} s") from error
        finally:
            for each in fencing:
                each.cancel()
            await asyncio.gather(*fencing, return_exceptions=True)

    def lost(self, partitions: Iterable[Partition]) -> None:
        """These partitions are gone; what was written for them and not committed never was."""
        for partition in partitions:
            gone = self._held.pop(partition, None)
            if gone is not None:
                leaving = asyncio.ensure_future(gone.close())
                self._leaving.add(leaving)
                leaving.add_done_callback(self._leaving.discard)

    async def stop(self) -> None:
        """Disconnect all."""
        self.lost(list(self._held))
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def publish(self, batches: Sequence[OutgoingBatch], spans: Sequence[Span], ends: Sequence[int]) -> None:
        """Write the outputs that answer `spans` (see `units`) in the transactions of their partitions.

        Those of partitions that are not held any more are left out. Raises `Rejected` and `Undelivered`; either
        says what to publish again.
        """
        work = []
        for unit in units(batches, spans, ends):
            held = self._held.get(unit.span.partition)
            if held is not None and held.generation == unit.span.generation:
                work.append((held, unit))
        outcomes = await asyncio.gather(*[held.write(unit) for held, unit in work], return_exceptions=True)
        records: list[OutgoingBatch] = []
        remaining: list[OutgoingBatch] = []
        failed: PublishError | None = None
        for (_, unit), outcome in zip(work, outcomes, strict=True):
            if isinstance(outcome, StartOver):
                self._give_up(unit.span.partition, outcome)
            elif isinstance(outcome, Rejected):
                records += outcome.records
                remaining += outcome.remaining
            elif isinstance(outcome, PublishError):
                remaining += unit.batches
                failed = outcome
            elif outcome is not None:
                raise outcome
        if failed is not None:
            raise Undelivered(str(failed), [*remaining, *records]) from failed
        if records:
            raise Rejected(records, remaining)

    async def commit(self, settled: Mapping[Partition, int]) -> dict[Partition, int]:
        """Commit what is written, and where nothing is, the settled offset; what is stored then, as far as is known.

        A transaction that fails is logged and found out about with the next call.
        """
        held = dict(self._held)
        work = [transactions.commit(settled.get(partition)) for partition, transactions in held.items()]
        for partition, outcome in zip(held, await asyncio.gather(*work, return_exceptions=True), strict=True):
            if isinstance(outcome, StartOver):
                self._give_up(partition, outcome)
            elif isinstance(outcome, PublishError):
                log.warning("%s; it will be tried again", outcome)
            elif outcome is not None:
                raise outcome
        return {partition: each.committed for partition, each in held.items() if each.committed is not None}

    def _give_up(self, partition: Partition, why: StartOver) -> None:
        if partition in self._held:
            log.warning("joining the group anew: %s", why)
            self.lost([partition])
            self._start_over(partition)


async def _fence(transactions: PartitionTransactions) -> None:
    while not await _fenced(transactions):
        log.warning("fencing is tried again")


async def _fenced(transactions: PartitionTransactions) -> bool:
    """Whether the attempt succeeded; after a pause where it did not."""
    try:
        await transactions.fence()
    except Refused:
        raise
    except PublishError as error:
        log.warning("%s", error)
        await asyncio.sleep(FENCE_AGAIN_S)
        return False
    return True
