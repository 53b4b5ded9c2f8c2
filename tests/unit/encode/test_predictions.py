from collections.abc import Callable
from dataclasses import replace

import numpy as np
import orjson

from streamapp.encode.build import RecordEncoder
from streamapp.encode.json import JsonPredictions
from streamapp.protocols import Encoder
from streamapp.types import Failure, ScoredBatch

Scored = Callable[..., ScoredBatch]
Build = Callable[..., Encoder]

GOLDEN = [
    rb'{"id":"a","scores":{"late":0.25},"variant":"champion","model":"delay","model_version":"1",'
    rb'"event_time":1357016400000,"scored_at":1700000000123,"source":{"topic":"flights","partition":2,"offset":10}}',
    rb'{"id":"q\"u\\o\n","scores":{"late":0.1,"hours":22.5},"variant":"challenger","model":"delay-weather",'
    rb'"model_version":"2.0","event_time":1357016400001,"scored_at":1700000000123,"features":{"weather":{"age_s":12.5,'
    rb'"freshness":"stale_served"},"plane":{"age_s":null,"freshness":"defaulted"}},'
    rb'"source":{"topic":"flights","partition":0,"offset":0}}',
    '{"id":"dé","scores":{"late":0.001},"variant":"champion","model":"delay","model_version":"1",'
    '"event_time":1357016400003,"scored_at":1700000000123,'
    '"source":{"topic":"flights","partition":2,"offset":11}}'.encode(),
    rb'{"id":"f","scores":{"late":1.0},"variant":"champion","model":"delay","model_version":"1",'
    rb'"event_time":1357016400005,"scored_at":1700000000123,'
    rb'"source":{"topic":"other\"topic","partition":7,"offset":1099511627776}}',
]


def test_the_bytes_of_predictions(scored: Scored, encoder: Build) -> None:
    out = encoder().predictions(scored())
    assert out.values == GOLDEN
    assert [orjson.dumps(orjson.loads(value)) for value in GOLDEN] == GOLDEN


def test_a_prediction_repeats_its_event_byte_for_byte(scored: Scored) -> None:
    batch = scored()
    events = [b'{"n": %d,  "t":"\\u00e9"}' % row for row in range(len(batch))]
    repeated = replace(batch, records=replace(batch.records, values=events))
    out = RecordEncoder(JsonPredictions(include_event=True), "predictions", "dead").predictions(repeated)
    assert out.values == [g[:-1] + b',"event":' + events[r] + b"}" for g, r in zip(GOLDEN, out.rows, strict=True)]


def test_predictions_keep_row_order_key_and_partition(scored: Scored, encoder: Build) -> None:
    out = encoder().predictions(scored())
    assert out.topic == "predictions"
    assert out.rows.tolist() == [0, 1, 3, 5]
    assert out.partitions.tolist() == [2, 0, 2, 7]
    assert out.partitions.dtype == np.int32
    assert out.keys == [b"k0", None, b"k3", b"k5"]


def test_headers_pass_the_trace_on_once(scored: Scored, encoder: Build) -> None:
    trace = [("x", b"1"), ("traceparent", b"00-first"), ("tracestate", b"s=1"), ("traceparent", b"00-second")]
    out = encoder().predictions(
        scored([trace, (), (), [("content-type", b"text/plain")], (), [("tracestate", b"s=2")]])
    )
    kind = ("content-type", b"application/json")
    assert list(map(list, out.headers)) == [
        [kind, ("traceparent", b"00-first"), ("tracestate", b"s=1")],
        [kind],
        [kind],
        [kind, ("tracestate", b"s=2")],
    ]


def test_a_batch_without_answers_gives_no_predictions(scored: Scored, encoder: Build) -> None:
    batch = scored()
    failed = {row: Failure("infer", "nan", "m") for row in range(6)}
    nothing = ScoredBatch(
        batch.records, batch.events, batch.variants, batch.routes, batch.features, batch.scores, failed, 0
    )
    for format_ in ("json", "avro"):
        out = encoder(format_).predictions(nothing)
        assert (len(out), len(out.rows), len(out.partitions), out.keys, out.headers) == (0, 0, 0, [], [])
    assert len(encoder().dead_letters(nothing)) == 6


def test_predictions_and_dead_letters_add_up(scored: Scored, encoder: Build) -> None:
    batch = scored()
    rows = np.concatenate([encoder().predictions(batch).rows, encoder().dead_letters(batch).rows])
    assert sorted(rows.tolist()) == list(range(6))
