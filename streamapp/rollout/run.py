"""Each command from its words to its exit status."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

from streamapp.act.state import Rollout, State
from streamapp.config.rollout import RolloutSettings
from streamapp.config.settings import PipelineSettings
from streamapp.control.client import ControlClient
from streamapp.control.declared import declared_variants
from streamapp.control.fold import Entry
from streamapp.errors import ConfigError, ControlError
from streamapp.rollout.follow import Outcome, follow, until_aliased
from streamapp.rollout.history import lines
from streamapp.rollout.reach import Reach
from streamapp.rollout.send import Sender, latest
from streamapp.rollout.strategies import steps_of
from streamapp.rollout.tables import print_entry, print_goes_on, print_history, print_rollout, print_status
from streamapp.rollout.wiring import named, resolve


class Verb(str, Enum):
    """What may be done to a rollout under way."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ABORT = "abort"


async def start(
    reach: Reach,
    pipeline: PipelineSettings,
    rollout: RolloutSettings,
    *,
    like: str | None = None,
    reason: str = "",
    wait: bool = False,
    timeout_s: float | None = None,
    as_json: bool = False,
) -> int:
    """Begin a rollout; with `wait` stay until it is over, or for `timeout_s` seconds. The exit status."""
    model, version = rollout.model, rollout.to
    if model is None or version is None:
        raise ConfigError("a rollout needs a model and a version")
    steps = steps_of(rollout.strategy)
    async with _opened(reach) as client:
        version = named(client.state, reach.versions, model, version)
        tenant = resolve(client.state, pipeline.variants, reach.versions, model, version, like)
        seen = len(client.entries)
        begun = await Sender(client, reach).start(model, version, tenant, steps, reason)
        if wait:
            return await _watch(client, reach, begun, seen, timeout_s, as_json=as_json)
        print_rollout(begun, as_json=as_json)
        return 0


async def change(reach: Reach, verb: Verb, model: str, *, reason: str = "", as_json: bool = False) -> int:
    """Pause, resume, promote or abort the rollout of a model. The exit status."""
    async with _opened(reach) as client:
        sender = Sender(client, reach)
        commands = {
            Verb.PAUSE: sender.pause,
            Verb.RESUME: sender.resume,
            Verb.PROMOTE: sender.promote,
            Verb.ABORT: sender.abort,
        }
        print_rollout(await commands[verb](model, reason), as_json=as_json)
        return 0


async def declare(reach: Reach, pipeline: PipelineSettings, *, as_json: bool = False) -> int:
    """Put the variants of a pipeline file in force, also where they were replaced before. The exit status."""
    async with _opened(reach) as client:
        state = await Sender(client, reach).declare(declared_variants(pipeline))
        print_status(state, _models(state, None), as_json=as_json)
        return 0


async def status(
    reach: Reach,
    model: str | None,
    *,
    watch: bool = False,
    timeout_s: float | None = None,
    as_json: bool = False,
) -> int:
    """How the rollouts stand; with `watch` follow one until it is over, or for `timeout_s` seconds. The exit status."""
    async with _opened(reach) as client:
        if not watch:
            print_status(client.state, _models(client.state, model), as_json=as_json)
            return 0
        found = _models(client.state, model)
        if len(found) != 1:
            raise ConfigError(f"--watch needs a model: there are {', '.join(found)}")
        rollout = latest(client.state, found[0])
        seen = len(client.entries)
        print_rollout(rollout, as_json=as_json)
        return await _watch(client, reach, rollout, seen, timeout_s, as_json=as_json)


async def history(reach: Reach, model: str | None, *, as_json: bool = False) -> int:
    """Who did what, when, on which evidence. The exit status."""
    async with _opened(reach) as client:
        if model is not None and client.state.models.get(model) is None:
            _models(client.state, model)
        print_history(lines(client.entries, model), as_json=as_json)
        return 0


async def _watch(
    client: ControlClient, reach: Reach, begun: Rollout, seen: int, timeout_s: float | None, *, as_json: bool
) -> int:
    def say(entry: Entry) -> None:
        print_entry(entry, begun.model, as_json=as_json)

    try:
        outcome, rollout = await asyncio.wait_for(follow(client, begun.id, seen, say), timeout_s)
    except asyncio.TimeoutError:
        outcome, rollout = Outcome.TIMED_OUT, client.state.rollout(begun.id) or begun
    if outcome is Outcome.PROMOTED and reach.aliased:
        await until_aliased(client, rollout, say)
    print_rollout(rollout, as_json=as_json)
    if outcome is Outcome.TIMED_OUT and not as_json:
        print_goes_on(rollout)
    return int(outcome)


def _models(state: State, model: str | None) -> list[str]:
    """The models that are declared, or `model`. Raises `ControlError`."""
    declared = list(dict.fromkeys(variant.model for variant in state.declared.values()))
    if not declared:
        raise ControlError("no worker has declared its variants yet: start one with `streamapp run`")
    if model is None:
        return declared
    if model not in declared:
        raise ControlError(f"no variant of the pipeline serves model `{model}`; models: {', '.join(declared)}")
    return [model]


@asynccontextmanager
async def _opened(reach: Reach) -> AsyncIterator[ControlClient]:
    async with reach.log() as log, ControlClient(log) as client:
        yield client
