"""Everything that is there before the first flight departs."""

import asyncio
import uuid
from contextlib import ExitStack

import pandas as pd
from rich.console import Console

from streamapp.clock import SystemClock
from streamapp.demo.broker import EmbeddedBroker, free_port
from streamapp.demo.columns import Vocabulary
from streamapp.demo.flights import load
from streamapp.demo.options import START, TARGET_S, UNTIL, DemoOptions
from streamapp.demo.pipeline import Addresses, write_pipeline
from streamapp.demo.plan import ReplayPlan
from streamapp.demo.rollout import MODEL, SABOTAGED
from streamapp.demo.steps import step
from streamapp.demo.topics import create_topics
from streamapp.demo.workplace import Workplace
from streamapp.errors import ConfigError
from streamapp.models import Registry

_END = "2014-01-01"
_TOPIC = "flights"


def prepare(options: DemoOptions, place: Workplace, console: Console, stack: ExitStack) -> Addresses:
    """Broker, topics, data, applied feature repository, trained models, pipeline file and replay plan, in `place`.

    A broker that is started here ends with `stack`. Raises `ConfigError` and `BrokerUnavailable`.
    """
    speed = options.speed if options.speed is not None else _speed(options.until)
    place.clear()
    with step(console, "a broker and its topics"):
        addresses = _addresses(options, stack)
        asyncio.run(create_topics(addresses.bootstrap_servers, addresses.topics, addresses.partitions))
    with step(console, "336,776 flights, their weather and their planes"):
        data = load()
        place.write_data(data)
    with step(console, "the feature repository applied, two models trained on January and February"), place.applying():
        from streamapp.demo.train import train

        models = train(data, place.models)
    for model in models:
        console.print(f"  {model.name}: {model.rows:,} flights, AUC {model.auc:.3f} on them", highlight=False)
    if options.rollback:
        with step(console, "a sabotaged version, registered as 3"):
            _register_sabotaged(place)
    write_pipeline(place.pipeline, addresses, Vocabulary.of(data.flights))
    _plan(options, speed, addresses, place).write(place.plan)
    return addresses


def _register_sabotaged(place: Workplace) -> None:
    from streamapp.demo.sabotage import sabotage
    from streamapp.registering.register import Claim, Trial, register, user

    path = place.models / "sabotaged.onnx"
    sabotage(place.models / "challenger.onnx", path)
    register(Registry(place.registry), path, Claim(MODEL, SABOTAGED.version), Trial(), user(), SystemClock())


def _addresses(options: DemoOptions, stack: ExitStack) -> Addresses:
    if options.bootstrap_servers is not None:
        return Addresses(options.bootstrap_servers, f"{_TOPIC}-{uuid.uuid4().hex[:8]}", free_port())
    broker = stack.enter_context(EmbeddedBroker())
    # This broker's group joins take half the session timeout, its empty fetches half their longest wait, and every
    # fetch goes through all record batches of each partition it asks for: so short waits, and one partition.
    return Addresses(
        broker.bootstrap_servers, _TOPIC, free_port(), partitions=1, session_timeout_ms=4_000, fetch_max_wait_ms=5
    )


def _speed(until: str) -> float:
    """Event seconds per second for a replay of `TARGET_S`; a short one runs as fast as the default one.

    Raises `ConfigError` for a date that is none, or that is not after the first day.
    """
    try:
        end, default_end = pd.Timestamp(until), pd.Timestamp(UNTIL)
    except ValueError as error:
        raise ConfigError(f"--until: {until!r} is not a date such as {UNTIL}") from error
    start = pd.Timestamp(START)
    if not start < end <= pd.Timestamp(_END):
        raise ConfigError(f"--until: {until} is not after {START} and up to {_END}, where the data ends")
    return max((end - start).total_seconds(), (default_end - start).total_seconds()) / TARGET_S


def _plan(options: DemoOptions, speed: float, addresses: Addresses, place: Workplace) -> ReplayPlan:
    return ReplayPlan(
        bootstrap_servers=addresses.bootstrap_servers,
        topic=addresses.topic,
        predictions=addresses.predictions,
        dead_letters=addresses.dead_letters,
        outcomes=addresses.outcomes,
        partitions=addresses.partitions,
        fetch_max_wait_ms=addresses.fetch_max_wait_ms,
        metrics_port=addresses.metrics_port,
        directory=str(place.directory),
        start=START,
        until=options.until,
        speed=speed,
        seed=options.seed,
    )
