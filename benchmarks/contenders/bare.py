"""The floor: an aiokafka loop, orjson, one `session.run` per fetch, whole record batches out, commit after the acks."""

import asyncio
import time

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from benchmarks.contenders.job import Job, answer, job, matrix, session


async def run(job: Job) -> None:
    model = session(job.model)
    consumer = AIOKafkaConsumer(
        job.source,
        bootstrap_servers=job.bootstrap_servers,
        group_id=job.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=job.bootstrap_servers, acks="all", max_batch_size=1_000_000)
    await consumer.start()
    await producer.start()
    committed = time.monotonic()
    while True:
        fetched = await consumer.getmany(timeout_ms=200)
        records = [record for part in fetched.values() for record in part]
        if records:
            events = [orjson.loads(record.value) for record in records]
            scores = model.run(["y"], {"x": matrix(events, job.workload)})[0].tolist()
            now_ms = int(time.time() * 1000)
            places = [(record.topic, record.partition, record.offset) for record in records]
            answers = map(answer, events, scores, places, [now_ms] * len(events))
            values = list(map(orjson.dumps, answers))
            await asyncio.gather(*await _send(producer, job.target, records, values, now_ms))
            if time.monotonic() - committed > 1:
                await consumer.commit()
                committed = time.monotonic()


async def _send(
    producer: AIOKafkaProducer, topic: str, records: list[ConsumerRecord], values: list[bytes], now_ms: int
) -> list[asyncio.Future[object]]:
    """Whole record batches, a few per partition: no future and no wake-up per record."""
    sent = []
    builder, partition = producer.create_batch(), records[0].partition
    for record, value in zip(records, values, strict=True):
        if record.partition != partition:
            sent.append(await producer.send_batch(builder, topic, partition=partition))
            builder, partition = producer.create_batch(), record.partition
        if builder.append(timestamp=now_ms, key=record.key, value=value) is None:
            sent.append(await producer.send_batch(builder, topic, partition=partition))
            builder = producer.create_batch()
            builder.append(timestamp=now_ms, key=record.key, value=value)
    sent.append(await producer.send_batch(builder, topic, partition=partition))
    return sent


if __name__ == "__main__":
    asyncio.run(run(job()))
