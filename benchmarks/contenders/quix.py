"""Quix Streams: `sdf.apply(f).to_topic(...)`."""

import time
from typing import Any

from quixstreams import Application, message_context

from benchmarks.contenders.job import answer, job, matrix, session

JOB = job()
model = session(JOB.model)


def score(event: dict[str, Any]) -> dict[str, Any]:
    scores = model.run(["y"], {"x": matrix([event], JOB.workload)})[0][0].tolist()
    context = message_context()
    place = (context.topic, context.partition, context.offset)
    return answer(event, scores, place, int(time.time() * 1000), repeat_event=JOB.repeat_event)


app = Application(
    broker_address=JOB.bootstrap_servers,
    consumer_group=JOB.group,
    auto_offset_reset="earliest",
    auto_create_topics=False,
    loglevel="WARNING",
)
frame = app.dataframe(app.topic(JOB.source, value_deserializer="json", key_deserializer="bytes"))
frame = frame.apply(score).to_topic(app.topic(JOB.target, value_serializer="json", key_serializer="bytes"))

if __name__ == "__main__":
    app.run()
