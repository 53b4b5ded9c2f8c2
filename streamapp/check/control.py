"""The control topics are looked at, and what the log has led to is compared with the pipeline file."""

import asyncio
from collections.abc import Iterator, Mapping

from streamapp.act.commands import DeclaredVariant
from streamapp.act.state import State
from streamapp.check.broker import WAIT_S
from streamapp.check.control_topics import GRANT, topic_finding
from streamapp.check.finding import Finding, error, ok, warning
from streamapp.config.settings import PipelineSettings
from streamapp.control.companion import control_topics
from streamapp.control.declared import declared_variants
from streamapp.control.fold import Fold
from streamapp.errors import StreamappError, UnknownFormat
from streamapp.kafka.client import connection
from streamapp.kafka.control_topics import ControlTopics, inspect_control_topics
from streamapp.kafka.reading import read_topic

_LIMIT_S = 30.0


def check_control(settings: PipelineSettings) -> tuple[list[Finding], State | None]:
    """A finding per control topic, and on what serves; and what the log has led to, None where it cannot be told.

    Nothing is created or written. The broker is there.
    """
    topics = control_topics(settings)
    try:
        inspected = asyncio.run(inspect_control_topics(connection(settings.kafka), topics, WAIT_S))
    except StreamappError as raised:
        return [error("control topics", str(raised))], None
    findings = [topic_finding(topics, topic, found) for topic, found in inspected.items()]
    if inspected[topics.log].partitions != 1:
        return findings, None
    try:
        state = asyncio.run(asyncio.wait_for(_state(settings, topics), _LIMIT_S))
    except (StreamappError, asyncio.TimeoutError) as raised:
        said = str(raised) or f"it could not be read within {_LIMIT_S:g} s"
        remedy = "run the check with the workers' version" if isinstance(raised, UnknownFormat) else GRANT
        return [*findings, error(f"topic {topics.log}", said, remedy)], None
    return [*findings, *compare(state, declared_variants(settings))], state


async def _state(settings: PipelineSettings, topics: ControlTopics) -> State:
    fold = Fold(State())
    async for batch in read_topic(connection(settings.kafka), topics.log, [0]):
        for offset, at_ms, value in zip(
            batch.offsets.tolist(), batch.timestamps_ms.tolist(), batch.values, strict=True
        ):
            fold.take(offset, at_ms, value or b"")
    return fold.state


def compare(state: State, declared: Mapping[str, DeclaredVariant]) -> Iterator[Finding]:
    """What the log has led to beside what the file declares. A file that was changed counts for the models that it
    changes, once a worker starts."""
    if not state.declared:
        yield ok("control", "nothing is declared yet: the first worker declares this file's variants")
        return
    if state.has_replaced(declared):
        yield error(
            "control",
            "the file's variants were in force and were replaced by those of another file, so no worker starts with it",
            "start the workers with that file; to go back to this one, first: streamapp rollout declare",
        )
        return
    for model in dict.fromkeys(each.model for each in [*declared.values(), *state.declared.values()]):
        before, now = ({n: v for n, v in each.items() if v.model == model} for each in (state.declared, declared))
        if before == now:
            yield from _in_force(state, now)
        else:
            yield _changed(state, model, now)


def _in_force(state: State, variants: Mapping[str, DeclaredVariant]) -> Iterator[Finding]:
    for name, variant in variants.items():
        version = state.version_of(state.tenants[name])
        if version == variant.version:
            yield ok(f"control {name}", f"{variant.model} {version}, by the control log and by the file")
        else:
            yield ok(
                f"control {name}",
                f"{variant.model} {version} by the control log, which goes before the file's {variant.version}",
            )


def _changed(state: State, model: str, variants: Mapping[str, DeclaredVariant]) -> Finding:
    subject = f"control {model}"
    serving = _listed({n: state.version_of(t) for n, t in state.tenants.items() if state.declared[n].model == model})
    filed = _listed({name: variant.version for name, variant in variants.items()})
    said = f"the file has variants other than those that were declared: {filed}; by the control log it is {serving}"
    rollout = state.rollouts.get(model)
    if rollout is not None and not rollout.over:
        remedy = f"abort or promote it first: streamapp rollout status {model}"
        return error(subject, f"{said}. Rollout {rollout.id} is under way, so no worker starts with it", remedy)
    remedy = "for the log to go on as it is, take the change back; to keep a version, write it into the file as well"
    return warning(subject, f"{said}. The next worker that starts puts the file's in force", remedy)


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "none"
