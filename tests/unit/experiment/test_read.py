import json

import pytest

from streamapp.errors import ConfigError
from streamapp.experiment.metric import Kind
from streamapp.experiment.outcome import Outcome, Reweighting, Until
from streamapp.experiment.read import read

HEADER = {
    "experiment": "x",
    "control": "a",
    "variants": {"a": 0.5, "b": 0.5},
    "window_s": 1.5,
    "metrics": {"clicked": {"kind": "proportion"}},
}
ROW = {"unit": "u", "variant": "a", "time": "1970-01-01T00:00:01Z", "value": True, "covariate": 2}


def lines(*objects: object) -> list[bytes]:
    return [one if isinstance(one, bytes) else json.dumps(one).encode() for one in objects]


def test_the_plan_then_what_follows() -> None:
    plan, rest = read(lines(HEADER, b"", ROW, {"weights": {"a": 1, "b": 3}, "time": 2_000}, {"until": 3}), "f")
    assert (plan.window_ms, plan.metrics[0].kind, plan.alpha) == (1_500, Kind.PROPORTION, 0.05)
    assert list(rest) == [
        Outcome("u", "a", 1_000, {"clicked": 1.0}, {"clicked": 2.0}, "f, line 3"),
        Reweighting(2_000, {"a": 1.0, "b": 3.0}, "f, line 4"),
        Until(3, "f, line 5"),
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "f: is empty"),
        ([ROW], "f, line 1: no header"),
        ([b"unit,variant,value"], "f, line 1: is not JSON"),
        ([[1]], "f, line 1: must be a JSON object"),
        ([{**HEADER, "variants": {"a": 1}}], "f, line 1: .*two variants"),
        ([{**HEADER, "variants": {"a": 1, "b": -1}}], "f, line 1: weight of b is -1"),
        ([{**HEADER, "control": "c"}], "f, line 1: control c"),
        ([{**HEADER, "alpha": 2}], "f, line 1: alpha"),
        ([{**HEADER, "burn_in": 1}], "f, line 1: .*burn_in"),
        ([{**HEADER, "metrics": {"m": {"kind": "median"}}}], "f, line 1: metric m"),
        ([{**HEADER, "metrics": {"m": {"kind": "bounded"}}}], "f, line 1: metric m: .*low and high"),
        ([{**HEADER, "metrics": {"m": {"margin": -1}}}], "f, line 1: metric m: margin"),
        ([{**HEADER, "windows": 3}], "f, line 1: unknown key windows"),
        ([HEADER, b'{"unit": "u", "variant": "a", "time": 1, "value": NaN}'], "f, line 2: value is nan"),
        ([HEADER, b'{"unit": "u", "variant": "a", "time": 1, "value": 1e999}'], "f, line 2: value is inf"),
        ([HEADER, b'{"unit": "u", "variant": "a", "time": 1, "value": 1' + b"0" * 400 + b"}"], "f, line 2: value"),
        ([HEADER, {**ROW, "value": "1"}], "f, line 2: value is '1'"),
        ([HEADER, {**ROW, "unit": ""}], "f, line 2: unit"),
        ([HEADER, {**ROW, "time": "today"}], "f, line 2: time"),
        ([HEADER, {**ROW, "time": None}], "f, line 2: time"),
        ([HEADER, {**ROW, "valeu": 1}], "f, line 2: unknown key valeu"),
        ([HEADER, {**ROW, "values": {"clicked": 1}}], "f, line 2: value and values"),
        ([HEADER, b"\xff"], "f, line 2: is not JSON"),
        ([HEADER, {"weights": [1], "time": 1}], "f, line 2: weights"),
        ([HEADER, {"until": "soon"}], "f, line 2: time 'soon'"),
        ([HEADER, {"until": 1, "time": 1}], "f, line 2: unknown key time"),
    ],
)
def test_a_bad_line_is_named(found: list[object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        list(read(lines(*found), "f")[1])


def test_several_metrics_are_named_in_each_line() -> None:
    header = {**HEADER, "metrics": {"m": {}, "n": {}}}
    with pytest.raises(ConfigError, match="f, line 2: the plan has several metrics"):
        list(read(lines(header, ROW), "f")[1])
