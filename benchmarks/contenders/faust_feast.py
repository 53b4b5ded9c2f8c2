"""A stock Faust agent on the whole path: validate, route, `get_online_features`, `session.run`, `send`, per event."""

import sys
import tempfile
import time
import warnings

warnings.simplefilter("ignore")

import faust  # noqa: E402
import numpy as np  # noqa: E402
import orjson  # noqa: E402
from feast import FeatureStore  # noqa: E402

from benchmarks.contenders.job import answer, job, session  # noqa: E402
from benchmarks.events import COLUMNS  # noqa: E402
from benchmarks.store import ACTIVITY, PROFILE  # noqa: E402
from streamapp.buckets import bucket, deal  # noqa: E402

JOB = job()
models = (session(JOB.model), session(JOB.second_model))
store = FeatureStore(repo_path=JOB.repository)
services = (store.get_feature_service("small"), store.get_feature_service("large"))
features = (PROFILE, PROFILE + ACTIVITY)
names = (("champion", "1"), ("challenger", "2"))
owners = deal([1, 1])
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
        if not all(isinstance(value.get(name), (int, float)) and -100 <= value[name] <= 100 for name in COLUMNS):
            continue
        variant = int(owners[bucket(value["id"], "bench")])
        found = store.get_online_features(services[variant], [{"user": value["user"]}]).to_dict()
        row = [*(value[name] for name in COLUMNS), *(found[name][0] for name in features[variant])]
        scores = models[variant].run(["y"], {"x": np.array([row], np.float32)})[0][0].tolist()
        place = (event.message.topic, event.message.partition, event.message.offset)
        record = answer(value, scores, place, int(time.time() * 1000), *names[variant])
        await target.send(key=event.message.key, value=orjson.dumps(record), partition=event.message.partition)


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "--loglevel=warn", "--without-web"]
    app.main()
