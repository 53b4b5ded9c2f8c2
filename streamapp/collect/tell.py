"""From what was gathered to the file: exposures, values, covariates, lines, and what to mind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from streamapp.collect.answers import DEAD, Bool
from streamapp.collect.covariates import History, covariates
from streamapp.collect.dealing import shares_said
from streamapp.collect.exposures import Admitted, Exposures, LeftOut, expose
from streamapp.collect.gather import Gathered, Span
from streamapp.collect.header import header_of, metric_of
from streamapp.collect.lines import lines, told
from streamapp.collect.needs import Needs
from streamapp.collect.source import Origin, Source
from streamapp.config.experiment import ExperimentSettings
from streamapp.config.settings import PipelineSettings
from streamapp.errors import ConfigError
from streamapp.experiment.metric import Aggregate, Kind
from streamapp.plain import iso
from streamapp.types import Float64, Int64


@dataclass(frozen=True, slots=True)
class Collected:
    """The lines of the file, made as they are asked for, and what a person should know of them."""

    lines: Iterator[bytes]
    notes: tuple[str, ...]


def tell(
    pipeline: PipelineSettings,
    plan: ExperimentSettings,
    needs: Needs,
    span: Span,
    found: Gathered,
    history: History | None,
) -> Collected:
    """Everything that can be wrong is found here, before a line is made. Raises `ConfigError`, and
    `FeatureStoreUnavailable` from `history`."""
    _check_dealing(found, plan, pipeline)
    salt = pipeline.routing.salt or pipeline.name
    admitted = expose(found.answers, found.events, found.units, found.served, found.dealing, salt, plan.clock)
    exposures = admitted.exposures
    _check_exposures(found, admitted, pipeline, span)
    own = {name: source for name, source in needs.sources.items() if source.origin is not Origin.LABEL}
    values = np.full((len(exposures), len(plan.metrics)), np.nan)
    for column, name in enumerate(plan.metrics):
        if name in own:
            values[:, column] = _values(own[name], needs, found, exposures)
    labelled, label_values, label_ms = _labels(found, needs, list(plan.metrics), exposures)
    _check_values(plan, needs, values, label_values, pipeline)
    units = found.events.units[exposures.rows]
    known: Mapping[str, Float64] = {}
    if history is not None:
        asked = (exposures, found.answers, found.events, found.keys, len(found.units))
        known = covariates(history, needs.covariates, *asked)
    periods = np.unique(exposures.periods).tolist()
    starts_ms = [int(exposures.times_ms[exposures.periods == period].min()) for period in periods]
    header = header_of(plan, found.dealing.periods[periods[0]].weights(found.dealing.arms))
    until_ms = span.to_ms if plan.clock == "wall" else int(exposures.times_ms[-1])
    rows = told(exposures, units, list(plan.metrics), values, labelled, label_values, label_ms)
    notes = _notes(found, admitted.left, exposures, needs, known, len(labelled))
    made = lines(header, found.dealing, periods, starts_ms, rows, found.units, known, until_ms)
    return Collected(made, tuple(notes))


def _values(source: Source, needs: Needs, found: Gathered, exposures: Exposures) -> Float64:
    """float64 (k,): of each exposure, NaN where it has none."""
    answers, rows = found.answers, exposures.rows
    dead: Bool = answers.served[rows] == DEAD
    if source.origin is Origin.DEAD_LETTER:
        return dead.astype(np.float64)
    values: Float64
    if source.origin is Origin.SCORE:
        values = answers.scores[rows, needs.scores.index(source.name)]
    elif source.origin is Origin.LATENCY:
        values = (answers.scored_ms - found.events.recorded_ms)[rows].astype(np.float64)
    else:
        values = np.ones(len(rows))
    values[dead] = np.nan
    return values


def _labels(found: Gathered, needs: Needs, metrics: list[str], exposures: Exposures) -> tuple[Int64, Float64, Int64]:
    """Which exposures have a label, its values by metric, and its time."""
    none = np.empty(0, np.int64)
    if found.labels is None or not len(found.labels.rows):
        return none, np.empty((0, len(metrics))), none
    place = np.full(len(found.answers), -1, np.int64)
    place[exposures.rows] = np.arange(len(exposures))
    at = place[found.labels.rows]
    kept = at >= 0
    values = np.full((int(kept.sum()), len(metrics)), np.nan)
    of_label = [i for i, name in enumerate(metrics) if needs.sources[name].origin is Origin.LABEL]
    values[:, of_label] = found.labels.values[kept, None]
    return at[kept], values, found.labels.times_ms[kept]


def _check_dealing(found: Gathered, plan: ExperimentSettings, pipeline: PipelineSettings) -> None:
    """Everything that is compared has served, and all of it at once."""
    dealing = found.dealing
    here = {dealing.arms.of(served) for served in dealing.served}
    absent = [name for i, name in enumerate(dealing.arms.names) if i not in here]
    if absent:
        known = sorted({served[2] if dealing.arms.by_version else served[0] for served in dealing.served})
        what = f"version of `{dealing.arms.model}`" if dealing.arms.by_version else "variant"
        raise ConfigError(
            f"{plan.experiment}: {what} {', '.join(absent)} never served; the control log has "
            f"{', '.join(known) or 'nothing yet: start a worker'}"
        )
    if not any(period.compared for period in dealing.periods):
        raise ConfigError(
            f"{plan.experiment}: {' and '.join(dealing.arms.names)} never had keys at the same time: last "
            f"{shares_said(dealing.periods[-1], dealing.arms.names)}; `streamapp rollout history` shows what was dealt"
        )
    if not len(found.answers):
        raise ConfigError(
            f"no prediction in topic {pipeline.predictions.topic} was scored in that time: check --from and --to"
        )


def _check_exposures(found: Gathered, admitted: Admitted, pipeline: PipelineSettings, span: Span) -> None:
    """There are some, and none is left out because its event is gone."""
    gone = admitted.unread[found.gone[admitted.unread]]
    if len(gone):
        since = iso(int(found.answers.scored_ms[gone].max()) + 1)
        raise ConfigError(
            f"the events of {len(gone):,} answers are not in {', '.join(pipeline.source.topics)} any more, so their "
            f"unit is not known: that is kept for a shorter time than {pipeline.predictions.topic}\n  -> say --from "
            f"{since}, or set `predictions.include_event: true` for the future"
        )
    if not len(admitted.exposures):
        raise ConfigError(
            f"none of {len(found.answers):,} answers is an exposure: {'; '.join(_left_out(admitted.left))}"
        )


def _check_values(
    plan: ExperimentSettings, needs: Needs, values: Float64, label_values: Float64, pipeline: PipelineSettings
) -> None:
    """Every metric has values, and they are such as the report takes."""
    for column, (name, settings) in enumerate(plan.metrics.items()):
        label = needs.sources[name].origin is Origin.LABEL
        found = (label_values if label else values)[:, column]
        found = found[~np.isnan(found)]
        if not len(found):
            remedy = (
                f"no outcome in topic {pipeline.outcomes.topic} joins an exposure: are they there yet, with the id of "
                "the event in `outcomes.id`, and within `outcomes.join_window_s`?"
                if label and pipeline.outcomes is not None
                else "no exposure has it"
            )
            raise ConfigError(f"metrics.{name}: there is no value from `{settings.source}`: {remedy}")
        metric = metric_of(name, settings)
        if metric.kind is Kind.BOUNDED and metric.how is not Aggregate.SUM:
            for value in (float(found.min()), float(found.max())):
                metric.check(value)


def _left_out(left: LeftOut) -> Iterator[str]:
    said = {
        "apart": "while not all variants of the plan had keys",
        "others": "by variants that the plan does not compare",
        "unsettled": "within a second of a change of keys",
        "unread": "whose event cannot be read, or has an empty routing key",
        "disordered": "out of order around a change of keys",
    }
    return (f"{count:,} {words}" for name, words in said.items() if (count := getattr(left, name)))


def _notes(
    found: Gathered,
    left: LeftOut,
    exposures: Exposures,
    needs: Needs,
    known: Mapping[str, Float64],
    labels: int,
) -> Iterator[str]:
    units = np.unique(found.events.units[exposures.rows])
    span = " to ".join(iso(int(found.answers.scored_ms[exposures.rows].take(at))) for at in (0, -1))
    yield f"{len(exposures):,} exposures of {len(units):,} units, scored {span}; {labels:,} of them with a label"
    if found.repeats:
        yield f"{found.repeats:,} repeated answers were left out"
    yield from (f"left out: {said}" for said in _left_out(left))
    if left.misdealt:
        yield f"{left.misdealt:,} exposures were to another variant than their key was dealt to"
    if found.unreadable:
        yield f"{found.unreadable:,} outcomes or dead letters cannot be read and were left out"
    for metric, of in known.items():
        missing = int(np.isnan(of[units]).sum())
        if missing:
            yield f"{metric}: {missing:,} units have no {needs.covariates[metric]} from before their first exposure"
