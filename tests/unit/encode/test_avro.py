import io
import json
from collections.abc import Callable
from importlib.resources import files

import fastavro
import orjson

from streamapp.protocols import Encoder
from streamapp.types import ScoredBatch

Scored = Callable[..., ScoredBatch]
Build = Callable[..., Encoder]

FIRST = bytes.fromhex(
    "0261"  # id
    "02086c617465000000000000d03f00"  # scores
    "106368616d70696f6e"  # variant
    "0a64656c6179"  # model
    "0231"  # model_version
    "8082d8c7fe4e"  # event_time
    "f6a1abfef962"  # scored_at
    "00"  # features
    "0e666c69676874730414"  # source
    "00"  # fallback
)


def test_the_bytes_of_a_prediction(scored: Scored, encoder: Build) -> None:
    assert encoder("avro").predictions(scored()).values[0] == FIRST


def test_avro_carries_what_json_carries(scored: Scored, encoder: Build) -> None:
    schema = json.loads(files("streamapp.encode").joinpath("prediction.avsc").read_text(encoding="utf-8"))
    plain = fastavro.parse_schema(json.loads(json.dumps(schema).replace('"logicalType"', '"was"')))
    out = encoder("avro").predictions(scored())
    as_json = encoder().predictions(scored())
    assert out.rows.tolist() == as_json.rows.tolist()
    for value, text in zip(out.values, as_json.values, strict=True):
        assert value is not None
        read = fastavro.schemaless_reader(io.BytesIO(value), plain, None)
        assert read == {"features": {}, "fallback": None, **orjson.loads(text or b"")}
    assert set(map(tuple, out.headers)) == {(("content-type", b"application/avro"),)}
