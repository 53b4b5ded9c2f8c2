"""The broker of a run: real Apache Kafka where Java is there, else the embedded one."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streamapp.demo.broker import EmbeddedBroker
from tests.brokers import ApacheKafka, KafkaMissing, versions

PARTITIONS = 4
_NOT_YET = (KafkaError._UNKNOWN_PARTITION, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART)


@dataclass(frozen=True, slots=True)
class Written:
    """A record that was found in a topic; time is the broker's (LogAppendTime), ms."""

    partition: int
    offset: int
    time_ms: int
    value: bytes


class Log:
    """Topics of one broker, seen from outside the contenders."""

    def __init__(self, bootstrap_servers: str, name: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.name = name
        self._options = {"bootstrap.servers": bootstrap_servers, "log_level": 0}
        self._admin = AdminClient(self._options)
        self._watcher = self._consumer()
        self._count = 0

    def topic(self, stem: str) -> str:
        """A new topic whose records carry the time at which the broker appended them."""
        self._count += 1
        name = f"{stem}-{os.getpid()}-{self._count}"
        config = {"message.timestamp.type": "LogAppendTime"}
        new = NewTopic(name, PARTITIONS, 1, config=config)
        self._admin.create_topics([new])[name].result(30)
        deadline = time.monotonic() + 30
        while len(self._leaders(name)) < PARTITIONS and time.monotonic() < deadline:
            time.sleep(0.02)
        return name

    def fill(self, topic: str, values: Iterable[bytes], *, per_s: float | None = None, first: int = 0) -> int:
        """Produce events round robin over the partitions, at a steady rate if one is given; how many there were."""
        linger = 0 if per_s else 50
        options = {**self._options, "linger.ms": linger, "batch.size": 900_000, "queue.buffering.max.messages": 200_000}
        producer = Producer(options)
        start, number = time.monotonic(), 0
        for number, value in enumerate(values, 1):
            if per_s:
                time.sleep(max(0.0, start + number / per_s - time.monotonic()))
            place = (first + number - 1) % PARTITIONS
            while True:
                try:
                    producer.produce(topic, value, key=b"%d" % (number % 1000), partition=place)
                    break
                except BufferError:
                    producer.poll(0.05)
            producer.poll(0)
        producer.flush(60)
        return number

    def size(self, topic: str) -> int:
        """Records in a topic; 0 while the broker is still spreading the word that it exists."""
        ends = self._watcher.get_watermark_offsets
        try:
            return sum(ends(TopicPartition(topic, number), timeout=10)[1] for number in range(PARTITIONS))
        except KafkaException as failed:
            if failed.args[0].code() in _NOT_YET:
                return 0
            raise

    def read(self, topic: str, count: int) -> list[Written]:
        """All `count` records of a topic."""
        reader = self._consumer()
        reader.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        found: list[Written] = []
        deadline = time.monotonic() + 60
        while len(found) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic}: {len(found)} of {count} records could be read")
            for message in reader.consume(10_000, timeout=0.5):
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                place = (message.partition(), message.offset(), message.timestamp()[1])
                found.append(Written(*place, message.value()))
        reader.close()
        return found

    def _leaders(self, topic: str) -> list[int]:
        """The leaders of a topic's partitions, as far as they are known."""
        partitions = self._watcher.list_topics(topic, timeout=10).topics[topic].partitions
        return [partition.leader for partition in partitions.values() if partition.leader >= 0]

    def drop(self, *topics: str) -> None:
        """Delete topics, so that the disk and the page cache stay small."""
        for done in self._admin.delete_topics(list(topics)).values():
            done.result(30)

    def _consumer(self) -> Consumer:
        return Consumer({**self._options, "group.id": "bench-reader", "enable.auto.commit": False})


@contextmanager
def broker(folder: Path, *, embedded: bool) -> Iterator[Log]:
    """A broker for the length of a run, and its name for the report."""
    if not embedded:
        try:
            with ApacheKafka(versions()[0], folder, heap="1g") as kafka:
                yield Log(kafka.bootstrap_servers, f"Apache Kafka {kafka.version}, KRaft, one node")
            return
        except KafkaMissing as missing:
            print(f"no Apache Kafka ({missing}); using the embedded broker")
    with EmbeddedBroker() as tansu:
        yield Log(tansu.bootstrap_servers, "embedded broker (Tansu, in memory)")
