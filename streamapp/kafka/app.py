"""The Faust app: life cycle, consumer group and agents, and nothing of Faust that is not used."""

from collections.abc import Callable, Sequence
from typing import Any

import faust
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.app.base import BootStrategy

from streamapp.config.pace import commit_interval_s
from streamapp.config.settings import PipelineSettings
from streamapp.kafka.chunk import Chunk, Intake
from streamapp.kafka.client import connection
from streamapp.kafka.transport import BatchConsumer, BatchTopic, BatchTransport

REBALANCE_GRACE_S = 10.0
"""What a rebalance leaves for committing and joining, beyond finishing the batches in flight."""

FETCH_BYTES = 1024 * 1024
"""Most bytes that one fetch brings of one partition."""

_A_DAY_MS = 24 * 60 * 60 * 1000


class _OnlyConsumer(BootStrategy):  # type: ignore[misc]
    """No web server (it would listen without authentication) and no producer: the worker has its own."""

    enable_web = False
    enable_kafka_producer = False


class BatchApp(faust.App):  # type: ignore[misc]
    """A Faust app without tables, web server, producer or folders on the disk."""

    BootStrategy = _OnlyConsumer
    mundane_level = "debug"  # starting and stopping is not news

    async def on_first_start(self) -> None:
        """Faust would create a data directory, for tables that do not exist here."""


def group_id(settings: PipelineSettings) -> str:
    """The consumer group whose members share the partitions."""
    return settings.kafka.group_id or settings.name


def isolation_level(settings: PipelineSettings) -> str:
    """Which input records count: with `exactly_once` only those that were committed, else what the user said."""
    return settings.kafka.isolation_level or (
        "read_committed" if settings.delivery == "exactly_once" else "read_uncommitted"
    )


def rebalance_timeout_s(settings: PipelineSettings) -> float:
    """How long the group waits for a member to give its partitions up."""
    return max(settings.worker.drain_s + REBALANCE_GRACE_S, settings.kafka.session_timeout_ms / 1000)


def consumer_options(settings: PipelineSettings) -> dict[str, Any]:
    """Keyword arguments of aiokafka's consumer."""
    kafka = settings.kafka
    rebalance_ms = int(rebalance_timeout_s(settings) * 1000)
    # Ranges give a worker the same partition numbers of every topic of equal size: a key's events and its outcomes
    # meet in one worker, whose label join is in memory. All members of a group must share a strategy, so in a
    # group that the user named, where other clients may be members, round robin is offered as well.
    strategies = [RangePartitionAssignor]
    if kafka.group_id is not None:
        strategies.append(RoundRobinPartitionAssignor)
    return {
        **connection(kafka),
        "group_id": group_id(settings),
        "partition_assignment_strategy": strategies,
        "enable_auto_commit": False,
        "auto_offset_reset": kafka.auto_offset_reset,
        "session_timeout_ms": kafka.session_timeout_ms,
        "heartbeat_interval_ms": kafka.heartbeat_interval_ms,
        "rebalance_timeout_ms": rebalance_ms,
        # Joining a group is one request that lasts as long as the slowest member takes.
        "request_timeout_ms": rebalance_ms + 10_000,
        # A worker that waits for a dependency does not poll, and must keep its partitions for as long as it takes.
        "max_poll_interval_ms": _A_DAY_MS,
        "max_partition_fetch_bytes": FETCH_BYTES,
        "fetch_max_wait_ms": kafka.fetch_max_wait_ms,
        "isolation_level": isolation_level(settings),
    }


def build_app(settings: PipelineSettings, intake: Intake) -> BatchApp:
    """The app with our transport installed; agents are added by `add_agent`."""
    kafka = settings.kafka
    app = BatchApp(
        group_id(settings),
        broker=[f"kafka://{address.strip()}" for address in kafka.bootstrap_servers.split(",")],
        broker_client_id=kafka.client_id,
        broker_commit_interval=commit_interval_s(settings),
        broker_session_timeout=kafka.session_timeout_ms / 1000,
        broker_heartbeat_interval=kafka.heartbeat_interval_ms / 1000,
        broker_rebalance_timeout=rebalance_timeout_s(settings),
        broker_request_timeout=rebalance_timeout_s(settings) + 10,
        consumer_auto_offset_reset=kafka.auto_offset_reset,
        producer_acks=-1,
        producer_threaded=False,
        stream_wait_empty=True,
        stream_publish_on_commit=False,
        stream_recovery_delay=0.0,
        processing_guarantee="at_least_once",
        topic_allow_declare=False,
        topic_disable_leader=True,
        autodiscover=False,
        web_enabled=False,
    )
    app.transport = BatchTransport(app.conf.broker_consumer, app, intake, consumer_options(settings))
    return app


def add_agent(app: BatchApp, name: str, topics: Sequence[str], accept: Callable[[Chunk], Any]) -> None:
    """An agent that hands every chunk of `topics` to the coroutine function `accept`.

    It acknowledges nothing: what may be committed is in the ledger.
    """
    topic = BatchTopic(app, topics=list(topics), acks=False)

    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            await accept(event.value)
            consumer_of(app).arrived(event.value)

    app.agent(topic, name=name)(agent)


def consumer_of(app: BatchApp) -> BatchConsumer:
    """The app's consumer."""
    consumer: BatchConsumer = app.consumer
    return consumer
