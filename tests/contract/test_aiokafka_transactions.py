"""What `streamapp.kafka.partition_transactions` relies on in aiokafka's transactional producer."""

import inspect

import aiokafka
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import group_coordinator
from aiokafka.producer import sender
from aiokafka.protocol.commit import OffsetFetchRequest

from streamapp.kafka.ledger import Partition
from streamapp.kafka.stable_offsets import _OffsetFetch


def test_a_started_producer_has_fenced_the_others() -> None:
    assert "await self._maybe_wait_for_pid()" in inspect.getsource(sender.Sender.start)


def test_a_commit_waits_for_every_record_batch() -> None:
    text = inspect.getsource(sender.Sender._do_txn_commit)
    assert text.index("flush_for_commit()") < text.index("EndTxnHandler")


def test_offsets_are_committed_without_a_generation() -> None:
    """So that only the transactional id fences, and one id per input partition is needed (KIP-447 is not spoken)."""
    text = inspect.getsource(sender.TxnOffsetCommitHandler.create_request)
    assert "generation" not in text
    assert "member" not in text


def test_aiokafka_reads_committed_offsets_without_asking_for_stable_ones() -> None:
    """Once it can, `stable_offsets` is not needed any more."""
    assert max(request.API_VERSION for request in OffsetFetchRequest._CLASSES) < 7


@pytest.mark.parametrize(("lowest", "highest"), [(0, 6), (8, 9)])
def test_a_broker_without_stable_offsets_is_refused(lowest: int, highest: int) -> None:
    with pytest.raises(aiokafka.errors.IncompatibleBrokerVersion, match=r"Kafka 2\.5"):
        _OffsetFetch("group", Partition("events", 0), stable=True).prepare({9: (lowest, highest)})


@pytest.mark.parametrize(
    ("owner", "name", "expected"),
    [
        (AIOKafkaClient, "coordinator_lookup", ["self", "coordinator_type", "coordinator_key"]),
        (AIOKafkaClient, "send", ["self", "node_id", "request", "group"]),
        (group_coordinator.GroupCoordinator, "request_rejoin", ["self"]),
        (aiokafka.AIOKafkaProducer, "send_offsets_to_transaction", ["self", "offsets", "group_id"]),
    ],
)
def test_what_is_called_is_as_it_was(owner: type, name: str, expected: list[str]) -> None:
    assert list(inspect.signature(getattr(owner, name)).parameters) == expected


def test_a_sender_that_cannot_be_stopped_can_be_cancelled() -> None:
    assert isinstance(sender.Sender.sender_task, property)
