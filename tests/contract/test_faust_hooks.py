"""The private parts of Faust, mode and aiokafka that `streamapp.kafka` overrides or relies on.

They promise nothing to us; a new version that changes one must fail here, by name, not in production.
"""

import inspect
from typing import Any

import aiokafka
import faust
import pytest
from aiokafka.consumer import fetcher, group_coordinator, subscription_state
from aiokafka.producer.message_accumulator import BatchBuilder
from faust.app.base import App, BootStrategy
from faust.transport import base as transport_base
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver
from mode.services import Service

from streamapp.kafka import app as ours_app
from streamapp.kafka import transport as ours
from streamapp.kafka.fetching import BatchConsumerThread

SIGNATURES = [
    # overridden by BatchConsumer
    (base.Consumer, "_drain_messages", "(self, fetcher)"),
    (base.Consumer, "_reset_state", "(self)"),
    (base.Consumer, "ack", "(self, message)"),
    (base.Consumer, "force_commit", "(self, topics=None, start_new_transaction=True)"),
    (base.Consumer, "wait_empty", "(self)"),
    (base.Consumer, "resume_flow", "(self)"),
    (base.Consumer, "on_partitions_revoked", "(self, revoked)"),
    (base.Consumer, "on_partitions_assigned", "(self, assigned, generation_id=0)"),
    (driver.Consumer, "_new_consumer_thread", "(self)"),
    (driver.Consumer, "verify_event_path", "(self, now, tp)"),
    # overridden by BatchConsumerThread
    (driver.AIOKafkaConsumerThread, "__post_init__", "(self)"),
    (driver.AIOKafkaConsumerThread, "_create_worker_consumer", "(self, transport)"),
    (driver.AIOKafkaConsumerThread, "on_start", "(self)"),
    (driver.AIOKafkaConsumerThread, "_commit", "(self, offsets)"),
    (base.ConsumerThread, "on_partitions_assigned", "(self, assigned, generation_id=0)"),
    (driver.AIOKafkaConsumerThread, "seek_to_committed", "(self)"),
    # overridden by BatchTopic and BatchApp
    (faust.Topic, "_compile_decode", "(self)"),
    (App, "on_first_start", "(self)"),
    # called
    (base.Consumer, "stop_flow", "(self)"),
    (base.Consumer, "commit_and_end_transactions", "(self)"),
    (base.Consumer, "maybe_wait_for_commit_to_finish", "(self)"),
    (base.ThreadDelegateConsumer, "_commit", "(self, offsets)"),
    (driver.AIOKafkaConsumerThread, "_ensure_consumer", "(self)"),
    (transport_base.Transport, "__init__", "(self, url, app, loop=None)"),
    (App, "create_event", "(self, key, value, headers, message)"),
    (Service, "add_future", "(self, coro)"),
    (Service, "wait_until_stopped", "(self)"),
    (fetcher.Fetcher, "fetched_records", "(self, partitions, timeout=0, max_records=None)"),
    (fetcher.Fetcher, "_create_fetch_waiter", "(self)"),
    (fetcher.Fetcher, "_notify", "(self, future)"),
    (fetcher.PartitionRecords, "_consumer_record", "(self, tp, record)"),
    (fetcher.FetchResult, "has_more", "(self)"),
    (subscription_state.SubscriptionState, "fetch_context", "(self)"),
    (subscription_state.Assignment, "state_value", "(self, tp)"),
    (aiokafka.AIOKafkaConsumer, "seek", "(self, partition, offset)"),
    (aiokafka.AIOKafkaConsumer, "commit", "(self, offsets=None)"),
    (aiokafka.AIOKafkaProducer, "create_batch", "(self)"),
    (aiokafka.AIOKafkaProducer, "send_batch", "(self, batch, topic, *, partition)"),
    (BatchBuilder, "append", "(self, *, timestamp, key, value, headers=[])"),
]


def bare(function: Any) -> str:
    """The signature without annotations."""
    signature = inspect.signature(function)
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


@pytest.mark.parametrize(("owner", "name", "expected"), SIGNATURES, ids=lambda v: getattr(v, "__name__", str(v)))
def test_a_method_is_as_it_was(owner: type, name: str, expected: str) -> None:
    assert bare(getattr(owner, name)) == expected


OVERRIDDEN = [
    (ours.BatchConsumer, driver.Consumer),
    (BatchConsumerThread, driver.AIOKafkaConsumerThread),
    (ours.BatchTopic, faust.Topic),
    (ours_app.BatchApp, App),
]


@pytest.mark.parametrize(("mine", "theirs"), OVERRIDDEN, ids=lambda c: c.__name__)
def test_every_override_is_listed_above(mine: type, theirs: type) -> None:
    listed = {name for _, name, _ in SIGNATURES}
    overrides = {name for name, value in vars(mine).items() if inspect.isfunction(value) and hasattr(theirs, name)} - {
        "__init__"
    }
    assert overrides
    assert overrides <= listed


def source(function: Any) -> str:
    return inspect.getsource(function)


def test_fetching_does_not_yield_without_a_timeout() -> None:
    """`_drain` relies on it: between reading the generation and taking the records nothing else may run."""
    text = source(fetcher.Fetcher.fetched_records)
    before_return = text[: text.index("if drained or not timeout:")]
    assert before_return.count("await ") == 1
    assert "if self._subscriptions.reassignment_in_progress:\n                await" in before_return


def test_records_can_be_taken_as_they_were_parsed() -> None:
    assert "self._consumer_record(tp, record)" in source(fetcher.PartitionRecords._unpack_records)
    assert not hasattr(fetcher.PartitionRecords, "__slots__")
    assert "self._partition_records = " in source(fetcher.FetchResult.__init__)


def test_the_end_of_a_log_is_kept_where_it_can_be_renewed() -> None:
    assert "self.highwater = None" in source(subscription_state.TopicPartitionState.__init__)
    assert list(inspect.signature(aiokafka.AIOKafkaConsumer.end_offsets).parameters) == ["self", "partitions"]


def test_faust_resumes_after_seeking_to_the_committed_offsets() -> None:
    from faust.tables.recovery import Recovery

    text = source(Recovery._resume_streams)
    assert text.index("consumer.perform_seek()") < text.index("consumer.resume_flow()")


def test_faust_waits_for_the_consumer_before_partitions_go() -> None:
    text = source(App._on_partitions_revoked)
    assert text.index("stop_flow") < text.index("_consumer_wait_empty")
    assert "_consumer_wait_empty" in source(App._stop_consumer)


def test_heartbeats_go_on_while_partitions_are_given_up() -> None:
    text = source(group_coordinator.GroupCoordinator.ensure_active_group)
    assert text.index("_on_join_prepare") < text.index("_stop_heartbeat_task")


def test_a_coordinator_that_does_not_answer_is_forgotten() -> None:
    """The watchdog relies on it: without a coordinator a worker waits, it is not stuck."""
    text = source(group_coordinator.GroupCoordinator._heartbeat_routine)
    assert "if session_time > session_timeout:" in text
    assert "self.coordinator_dead()" in text[text.index("if session_time > session_timeout:") :]
    assert "self.coordinator_id = None" in source(group_coordinator.GroupCoordinator.coordinator_dead)


def test_no_web_server_and_no_producer_are_started() -> None:
    strategy = ours_app.BatchApp.BootStrategy
    assert issubclass(strategy, BootStrategy)
    assert "_should_enable_kafka_producer" in source(BootStrategy.kafka_producer)
    assert "self.enable_kafka_producer" in source(BootStrategy._should_enable_kafka_producer)
    assert "self.enable_web" in source(BootStrategy._should_enable_web)


def test_a_topic_takes_its_decoder_from_compile_decode() -> None:
    assert "self._compile_decode()" in source(faust.Topic.__init__)
    assert "self.decode = " in source(faust.Topic._compile_decode)


@pytest.mark.parametrize("attribute", ["_records", "_fetch_waiters", "_closed"])
def test_fetcher_state(attribute: str) -> None:
    assert f"self.{attribute} = " in source(fetcher.Fetcher.__init__)


@pytest.mark.parametrize("attribute", ["_active_partitions", "_paused_partitions", "flow_active"])
def test_consumer_state(attribute: str) -> None:
    assert f"self.{attribute} = " in source(base.Consumer._reset_state)
