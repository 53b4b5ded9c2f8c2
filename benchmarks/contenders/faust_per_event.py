"""A stock Faust agent: one event, one `session.run`, one `send` at a time."""

import sys
import tempfile
import time

import faust
import orjson

from benchmarks.contenders.job import answer, job, matrix, session

JOB = job()
model = session(JOB.model)
app = faust.App(
    JOB.group,
    broker=f"kafka://{JOB.bootstrap_servers}",
    value_serializer="raw",
    key_serializer="raw",
    web_enabled=False,
    topic_disable_leader=True,
    datadir=tempfile.mkdtemp(),
    consumer_auto_offset_reset="earliest",
    producer_acks=-1,
)
source = app.topic(JOB.source)
target = app.topic(JOB.target)


@app.agent(source)
async def score(stream: faust.StreamT) -> None:
    async for event in stream.events():
        value = orjson.loads(event.value)
        scores = model.run(["y"], {"x": matrix([value], JOB.workload)})[0][0].tolist()
        place = (event.message.topic, event.message.partition, event.message.offset)
        record = answer(value, scores, place, int(time.time() * 1000))
        await target.send(key=event.message.key, value=orjson.dumps(record), partition=event.message.partition)


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "--loglevel=warn", "--without-web"]
    app.main()
