"""Outcomes from JSON lines: first the plan, then one outcome a line.

    {"experiment": "ranker", "control": "a", "variants": {"a": 0.5, "b": 0.5},
     "metrics": {"clicked": {"kind": "proportion"}}, "window_s": 3600}            (one line)
    {"unit": "u1", "variant": "a", "time": "2026-05-01T12:00:00Z", "value": 1}
    {"weights": {"a": 0.2, "b": 0.8}, "time": "2026-05-02T12:00:00Z"}
    {"until": "2026-05-03T00:00:00Z"}

With several metrics, `values` and `covariates` map a metric to its number, in place of `value` and `covariate`.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from streamapp.errors import ConfigError
from streamapp.experiment.asymptotic import BURN_IN
from streamapp.experiment.guardrail import Better
from streamapp.experiment.metric import Aggregate, Kind, Metric
from streamapp.experiment.outcome import Outcome, Reweighting, Until
from streamapp.experiment.plan import Plan

_HEADER = {"experiment", "control", "variants", "metrics", "window_s", "lateness_s", "alpha", "max_units", "burn_in"}
_METRIC = {"kind", "aggregate", "low", "high", "better", "margin"}
_OUTCOME = {"unit", "variant", "time", "value", "values", "covariate", "covariates"}


def read(lines: Iterable[bytes], name: str) -> tuple[Plan, Iterator[Outcome | Reweighting | Until]]:
    """The plan and what follows it, read as it is asked for. Raises `ConfigError` that names the line."""
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        if line.strip():
            plan = _plan(_object(line, f"{name}, line {number}"), f"{name}, line {number}")
            return plan, _rest(numbered, name, plan)
    raise ConfigError(f"{name}: is empty; its first line must be the plan of the experiment")


def _rest(numbered: Iterator[tuple[int, bytes]], name: str, plan: Plan) -> Iterator[Outcome | Reweighting | Until]:
    only = plan.metrics[0].name if len(plan.metrics) == 1 else None
    for number, line in numbered:
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        found = _object(line, where)
        if "weights" in found:
            _known(found, {"weights", "time"}, where)
            yield Reweighting(_time(found.get("time"), where), _numbers(found["weights"], "weights", where), where)
        elif "until" in found:
            _known(found, {"until"}, where)
            yield Until(_time(found["until"], where), where)
        else:
            yield _outcome(found, only, where)


def _outcome(found: Mapping[str, Any], only: str | None, where: str) -> Outcome:
    _known(found, _OUTCOME, where)
    values = _by_metric(found, "value", "values", only, where)
    covariates = _by_metric(found, "covariate", "covariates", only, where)
    time_ms = _time(found.get("time"), where)
    return Outcome(_text(found, "unit", where), _text(found, "variant", where), time_ms, values, covariates, where)


def _plan(found: Mapping[str, Any], where: str) -> Plan:
    if "variants" not in found or "metrics" not in found:
        raise ConfigError(
            f'{where}: no header: the first line must be the plan, {{"experiment", "control", "variants", '
            '"metrics"}; see docs/experiments.md'
        )
    _known(found, _HEADER, where)
    variants, metrics = found["variants"], found["metrics"]
    if not isinstance(variants, dict) or not isinstance(metrics, dict):
        raise ConfigError(f"{where}: variants and metrics must be objects")
    extra = {"alpha": _number(found["alpha"], "alpha", where)} if "alpha" in found else {}
    try:
        return Plan(
            _text(found, "experiment", where),
            _text(found, "control", where),
            _numbers(variants, "variants", where),
            tuple(_metric(name, value, where) for name, value in metrics.items()),
            round(_number(found.get("window_s", 0), "window_s", where) * 1_000),
            round(_number(found.get("lateness_s", 0), "lateness_s", where) * 1_000),
            max_units=int(_number(found.get("max_units", 1_000_000), "max_units", where)),
            burn_in=int(_number(found.get("burn_in", BURN_IN), "burn_in", where)),
            **extra,
        )
    except ConfigError as error:
        raise error if str(error).startswith(where) else ConfigError(f"{where}: {error}") from error


def _metric(name: str, found: object, where: str) -> Metric:
    if not isinstance(found, dict):
        raise ConfigError(f'{where}: metric {name} must be an object, for example {{"kind": "proportion"}}')
    _known(found, _METRIC, f"{where}: metric {name}")
    numbers = {key: _number(found[key], key, where) for key in ("low", "high", "margin") if key in found}
    try:
        kind, better = Kind(found.get("kind", "mean")), Better(found.get("better", "higher"))
        aggregate = Aggregate(found["aggregate"]) if "aggregate" in found else None
    except ValueError as error:
        raise ConfigError(f"{where}: metric {name}: {error}") from error
    if kind is Kind.BOUNDED and not {"low", "high"} <= set(found):
        raise ConfigError(f"{where}: metric {name}: a bounded metric needs low and high")
    return Metric(name, kind, aggregate, better=better, **numbers)


def _object(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{where}: is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{where}: must be a JSON object")
    return found


def _known(found: Mapping[str, Any], allowed: set[str], where: str) -> None:
    if strange := sorted(set(found) - allowed):
        raise ConfigError(f"{where}: unknown key {', '.join(strange)}; known are {', '.join(sorted(allowed))}")


def _by_metric(found: Mapping[str, Any], one: str, several: str, only: str | None, where: str) -> dict[str, float]:
    if one in found and several in found:
        raise ConfigError(f"{where}: {one} and {several} exclude each other")
    if found.get(one) is not None:
        if only is None:
            raise ConfigError(f"{where}: the plan has several metrics; write {several}: {{metric: number}}")
        return {only: _number(found[one], one, where)}
    return _numbers(found.get(several) or {}, several, where)


def _numbers(found: object, key: str, where: str) -> dict[str, float]:
    if not isinstance(found, dict):
        raise ConfigError(f"{where}: {key} must map names to numbers")
    return {name: _number(value, f"{key} {name}", where) for name, value in found.items()}


def _number(value: object, key: str, where: str) -> float:
    if isinstance(value, bool):
        return float(value)
    try:
        if isinstance(value, (int, float)) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass
    raise ConfigError(f"{where}: {key} is {value!r}, but must be a finite number")


def _text(found: Mapping[str, Any], key: str, where: str) -> str:
    value = found.get(key)
    if isinstance(value, str) and value:
        return value
    raise ConfigError(f"{where}: {key} is {value!r}, but must be a text that is not empty")


def _time(value: object, where: str) -> int:
    """Milliseconds since the epoch, of such a number or of ISO 8601 (UTC without an offset)."""
    if isinstance(value, str):
        try:
            instant = datetime.fromisoformat(value[:-1] + "+00:00" if value[-1:] in ("Z", "z") else value)
        except ValueError as error:
            raise ConfigError(f"{where}: time {value!r} is not ISO 8601") from error
        aware = instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)
        return round(aware.timestamp() * 1_000)
    return round(_number(value, "time", where))
