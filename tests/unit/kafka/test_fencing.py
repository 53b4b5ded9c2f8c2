"""Partitions are fenced together: what one of them is refused ends the attempts for the others."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from streamapp.errors import PublishError
from streamapp.kafka.ledger import Partition
from streamapp.kafka.partition_transactions import Transactional
from streamapp.kafka.sending import Refused
from streamapp.kafka.transactions import Transactions


class OneRefused(Transactional):
    """Partition 0 is refused for good; the others are not to be had yet."""

    async def producer(self, partition: Partition, batch_bytes: int) -> AIOKafkaProducer:
        if partition.number == 0:
            await asyncio.sleep(0)
            raise Refused("not allowed")
        raise PublishError("not yet")


async def test_nothing_goes_on_once_a_partition_is_refused() -> None:
    transactions = Transactions(OneRefused("group", {}, 10.0, ()), lambda partition: None)
    with pytest.raises(Refused, match="not allowed"):
        await transactions.assigned([Partition("events", number) for number in range(3)], 1, 60.0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
