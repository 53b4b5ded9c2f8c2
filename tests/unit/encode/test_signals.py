import math

from streamapp.encode import encode_signals
from streamapp.types import Signal, Variant

VARIANT = Variant("champion", "delay", "1")


def test_the_bytes_of_an_alert() -> None:
    signals = [
        Signal(VARIANT, "adwin", "weather:wind", 1_357_016_400_000, 12.5, 3.25, 4096),
        Signal(VARIANT, "kswin", "score", 5, math.nan, math.inf, 1),
    ]
    out = encode_signals(signals, "alerts")
    assert out.topic == "alerts"
    assert out.keys == [b"champion/weather:wind", b"champion/score"]
    assert out.values == [
        b'{"variant":"champion","model":"delay","model_version":"1","detector":"adwin","feature":"weather:wind",'
        b'"at":1357016400000,"value":12.5,"reference":3.25,"rows_seen":4096}',
        b'{"variant":"champion","model":"delay","model_version":"1","detector":"kswin","feature":"score",'
        b'"at":5,"value":null,"reference":null,"rows_seen":1}',
    ]
    assert out.partitions.tolist() == out.rows.tolist() == [-1, -1]
    assert list(out.headers[0]) == [("content-type", b"application/json")]


def test_no_signals_no_records() -> None:
    assert len(encode_signals([], "alerts")) == 0
