"""Dashboards and alert rules ask only for metrics and labels that the code exports."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamapp.observe.families import CATALOGUE, sample_names

DEPLOY = Path(__file__).parents[3] / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
RULES = DEPLOY / "prometheus" / "rules.yaml"
FROM_PROMETHEUS = {"up"}
LABELS = {label for family in CATALOGUE for label in family.labels} | {"le", "job", "instance"}
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "offset", "bool"}

_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_MATCHERS = re.compile(r"\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*(?!\w*\s*\()")


def _rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def _panels(path: Path) -> list[dict[str, Any]]:
    return [panel for panel in json.loads(path.read_text())["panels"] if panel["type"] != "row"]


def _expressions() -> list[str]:
    asked = [target["expr"] for path in DASHBOARDS for panel in _panels(path) for target in panel["targets"]]
    return [*asked, *(rule["expr"] for rule in _rules())]


def _metrics(expression: str) -> set[str]:
    bare = _MATCHERS.sub("", _GROUPING.sub("", expression))
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b\d[\w.]*", "", bare)
    return {match.group() for match in _NAME.finditer(bare)} - WORDS


def _labels(expression: str) -> set[str]:
    grouped = {label.strip() for group in _GROUPING.findall(expression) for label in group.split(",")}
    matched = {
        name for group in _MATCHERS.findall(expression) for name in re.findall(r'(\w+)\s*(?:=~|!~|!=|=)"', group)
    }
    return grouped | matched


def test_the_parser_finds_names_and_labels() -> None:
    expression = 'sum by (le, stage) (rate(a_bucket{code=~"x|y", b!="c"}[5m:30s])) / 1e3 > 2 and up unless c_total'
    assert _metrics(expression) == {"a_bucket", "up", "c_total"}
    assert _labels(expression) == {"le", "stage", "code", "b"}


def test_there_is_something_to_check() -> None:
    assert len(DASHBOARDS) >= 1
    assert len(_expressions()) > 40


@pytest.mark.parametrize("expression", sorted(set(_expressions())))
def test_every_query_asks_for_what_exists(expression: str) -> None:
    names = _metrics(expression)
    assert names
    assert names <= sample_names() | FROM_PROMETHEUS
    assert _labels(expression) <= LABELS
    for left, right in ("()", "{}", "[]"):
        assert expression.count(left) == expression.count(right)


def test_every_query_asks_a_metric_only_for_labels_it_has() -> None:
    families = {name: set(f.labels) for f in CATALOGUE for name in (f.name, *(f.name + e for e in ("_sum", "_count")))}
    families |= {f.name + "_bucket": {*f.labels, "le"} for f in CATALOGUE}
    for expression in _expressions():
        has = {label for name in _metrics(expression) for label in families.get(name, set())}
        assert _labels(expression) <= has | {"job", "instance"}, expression


def test_every_alert_says_how_bad_and_what() -> None:
    rules = _rules()
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["annotations"]["summary"]
        used = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert used <= {*_labels(rule["expr"]), "job", "instance"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_panels_do_not_overlap(path: Path) -> None:
    cells: set[tuple[int, int]] = set()
    panels = json.loads(path.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        at = panel["gridPos"]
        taken = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= taken


def test_the_provisioned_folders_are_where_the_files_are_mounted() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    provider = yaml.safe_load((provisioning / "dashboards" / "streamapp.yaml").read_text())["providers"][0]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    for path in DASHBOARDS:
        (variable,) = json.loads(path.read_text())["templating"]["list"]
        assert variable["current"]["value"] == source["uid"]
