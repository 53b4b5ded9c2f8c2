import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamapp.collect.load import load_plan
from streamapp.config.settings import PipelineSettings
from streamapp.errors import ConfigError
from tests.collected import PIPELINE, PLAN, variant

CONTROLLED = {"control": {"registry": "models"}}
SHADOW = {"variants": {"old": variant("1", 1), "new": {**variant("2", 0), "shadow": 0.5}}}


def loaded(tmp_path: Path, plan: dict[str, Any], pipeline: dict[str, Any] | None = None):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump({**PLAN, **plan}, sort_keys=False))
    return load_plan(path, PipelineSettings.model_validate({**PIPELINE, **(pipeline or {})}))


def metric(**more: Any) -> dict[str, Any]:
    return {"metrics": {"m": more}}


def test_yaml_and_json_are_one(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(PLAN))
    assert load_plan(path, PipelineSettings.model_validate(PIPELINE)) == loaded(tmp_path, {})


@pytest.mark.parametrize(
    ("plan", "pipeline", "said"),
    [
        (
            {"variants": ["old", "nwe"]},
            {},
            r"plan.yaml:5:3: variants\[1\]: the pipeline has no variant `nwe`\n  -> did",
        ),
        ({"variants": ["old", "2"]}, {}, "add `compare: version` to compare versions"),
        ({"variants": ["old", "old"]}, {}, "`old` is given twice"),
        ({"control": "none"}, {}, "control: `none` is none of the variants"),
        ({}, SHADOW, "variant `new` answers no key: its weight is 0"),
        ({"compare": "version", "variants": ["1", "3"], "control": "1"}, {}, "no variant answers with version `3`"),
        ({"compare": "version", "model": "socrer"}, {}, "did you mean `scorer`"),
        ({"model": "scorer"}, {}, "model: is only for versions"),
        ({"window_s": 0}, {}, "window_s: must be greater than 0, but is 0"),
        ({"alpha": 3}, {}, "alpha is 3.0, but must lie between 0 and 1"),
        ({"metrics": {}}, {}, "metrics: must not be empty"),
        ({"windows": 3}, {}, "windows: unknown key\n  -> did you mean `window_s`"),
        (metric(kind="mean"), {}, "metrics.m.from: missing"),
        (metric(**{"from": "labels"}), {}, "metrics.m.from: `labels` is no source"),
        (metric(**{"from": "label"}), {"outcomes": None}, "reads no labels\n  -> add the `outcomes` section"),
        (metric(**{"from": "score:q"}), {}, "no variant gives a score `q`"),
        (metric(**{"from": "score:p", "kind": "proportion"}), {}, "a proportion counts 0 or 1, and `score:p` is any"),
        (metric(**{"from": "score:p", "kind": "bounded"}), {}, "metrics.m: a bounded metric needs `low` and `high`"),
        (metric(**{"from": "score:p", "low": 3, "high": 2}), {}, "low 3.0 must be below high 2.0"),
        (metric(**{"from": "score:p", "covariate": "view"}), {}, "`view` names no feature"),
        (metric(**{"from": "score:p", "covariate": "v:f"}), {}, "has no features\n  -> add the `features` section"),
        (metric(**{"from": "label", "kind": "proportion", "covariate": "v:f"}), {}, "a proportion takes no covariate"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, plan, pipeline, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        loaded(tmp_path, plan, pipeline)


def test_slots_of_a_controlled_pipeline_are_variants_and_versions_are_the_log_s(tmp_path: Path) -> None:
    alone = {"variants": {"old": variant("1", 1)}, **CONTROLLED}
    assert loaded(tmp_path, {"variants": ["old", "old-canary"]}, alone).compare == "variant"
    versions = {"compare": "version", "variants": ["1", "9"], "control": "1"}
    assert loaded(tmp_path, versions, alone).variants == ("1", "9")
