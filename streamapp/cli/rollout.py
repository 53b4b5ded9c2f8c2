"""`streamapp rollout`: from one version of a model to another, and back."""

import asyncio
import logging
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from streamapp.cli.arguments import Overrides
from streamapp.errors import ConfigError

app = typer.Typer(name="rollout", no_args_is_help=True)

Pipeline = Annotated[
    Path, typer.Option("--pipeline", "-p", metavar="FILE", envvar="STREAMAPP_PIPELINE", help="The pipeline file.")
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Which model.", show_default=False)]
SomeModel = Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Only this model.", show_default=False)]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept in the history.", show_default=False)]
Timeout = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="With --wait or --watch: status 4 if it is not over by then; it goes on.",
        show_default=False,
    ),
]


class Output(str, Enum):
    """How things are printed."""

    TABLE = "table"
    JSON = "json"


class Strategy(str, Enum):
    """How the candidate gets the keys."""

    CANARY = "canary"
    BLUE_GREEN = "blueGreen"
    SHADOW = "shadow"
    AB = "ab"
    BANDIT = "bandit"


HowPrinted = Annotated[Output, typer.Option("--output", help="Tables and lines, or JSON lines.")]


@app.callback()
def _quiet() -> None:
    """Roll a version of a model out to more and more keys, and take it back."""
    # What stops a command is raised and told once; aiokafka logs it as well, with its stack.
    for library in ("aiokafka", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


@app.command()
def start(
    context: typer.Context,
    overrides: Overrides,
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Which model; the file may say it.", show_default=False)
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="Its version that is to answer; or @alias.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="The strategy, instead of the flags below.")
    ] = None,
    strategy: Annotated[Strategy | None, typer.Option(help="canary if no other is named.")] = None,
    weights: Annotated[str | None, typer.Option(metavar="LIST", help="Per cent of the keys: 10,50,100.")] = None,
    pause: Annotated[str | None, typer.Option(metavar="DURATION", help="After each weight: 30s, 5m.")] = None,
    success: Annotated[str | None, typer.Option(metavar="CONDITION", help="Analysis: what must hold.")] = None,
    failure: Annotated[str | None, typer.Option(metavar="CONDITION", help="Analysis: what must not hold.")] = None,
    interval: Annotated[str | None, typer.Option(metavar="DURATION", help="Analysis: time between looks.")] = None,
    count: Annotated[int | None, typer.Option(metavar="NUMBER", help="Analysis: how many looks.")] = None,
    failure_limit: Annotated[int | None, typer.Option(metavar="NUMBER", help="Failed looks tolerated.")] = None,
    inconclusive_limit: Annotated[int | None, typer.Option(metavar="NUMBER", help="Inconclusive ones.")] = None,
    shadow: Annotated[float | None, typer.Option(metavar="PERCENT", help="Keys scored without answering.")] = None,
    like: Annotated[
        str | None, typer.Option("--like", metavar="VARIANT", help="Whose features, inputs and outputs it has.")
    ] = None,
    reason: Reason = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Until it is over: status 0 promoted, 1 aborted, 3 a person is needed.")
    ] = False,
    timeout: Timeout = None,
    pipeline: Pipeline = Path("pipeline.yaml"),
    output: HowPrinted = Output.TABLE,
) -> None:
    """Begin a rollout, by a file or by flags."""
    from streamapp.config.load import load_pipeline
    from streamapp.rollout.asked import asked
    from streamapp.rollout.flags import Flags
    from streamapp.rollout.run import start as run

    flags = Flags(
        None if strategy is None else strategy.value,
        weights,
        pause,
        success,
        failure,
        interval,
        count,
        failure_limit,
        inconclusive_limit,
        shadow,
    )
    timeout_s = _timeout_s(timeout, wait, "--wait")
    settings = load_pipeline(pipeline, overrides)
    reach = _reach(context, settings, pipeline)
    rollout = asked(reach, settings, file, flags, model, to)
    printed: dict[str, Any] = {"wait": wait, "timeout_s": timeout_s, "as_json": output is Output.JSON}
    raise typer.Exit(asyncio.run(run(reach, settings, rollout, like=like, reason=reason, **printed)))


@app.command()
def status(
    context: typer.Context,
    overrides: Overrides,
    model: SomeModel = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Until it is over: status 0 promoted, 1 aborted, 3 a person is needed.")
    ] = False,
    timeout: Timeout = None,
    pipeline: Pipeline = Path("pipeline.yaml"),
    output: HowPrinted = Output.TABLE,
) -> None:
    """What serves, and how far the rollouts are."""
    from streamapp.config.load import load_pipeline
    from streamapp.rollout.run import status as run

    timeout_s = _timeout_s(timeout, watch, "--watch")
    reach = _reach(context, load_pipeline(pipeline, overrides), pipeline)
    raise typer.Exit(asyncio.run(run(reach, model, watch=watch, timeout_s=timeout_s, as_json=output is Output.JSON)))


@app.command()
def pause(
    context: typer.Context,
    overrides: Overrides,
    model: Model,
    reason: Reason = "",
    pipeline: Pipeline = Path("pipeline.yaml"),
    output: HowPrinted = Output.TABLE,
) -> None:
    """Stay at this step until somebody resumes."""
    _change("pause", context, overrides, model, reason, pipeline, output)


@app.command()
def resume(
    context: typer.Context,
    overrides: Overrides,
    model: Model,
    reason: Reason = "",
    pipeline: Pipeline = Path("pipeline.yaml"),
    output: HowPrinted = Output.TABLE,
) -> None:
    """Go on. A pause is over with this, any other step begins anew."""
    _change("resume", context, overrides, model, reason, pipeline, output)


@app.command()
def promote(
    context: typer.Context,
    overrides: Overrides,
    model: Model,
    reason: Reason = "",
    pipeline: Pipeline = Path("pipeline.yaml"),
    output: HowPrinted = Output.TABLE,
) -> None:
    """Skip the steps that are left: the candidate answers every key once every worker has loaded it."""
    _change("promote", context, overrides, model, reason, pipeline, output)


@app.command()
def abort(
    context: typer.Context,
    overrides: Overrides,
    model: Model,
    reason: Reason = "",
    pipeline: Pipeline = Path("pipeline.yaml"),
    output: HowPrinted = Output.TABLE,
) -> None:
    """Take the candidate back, at once."""
    _change("abort", context, overrides, model, reason, pipeline, output)


@app.command()
def declare(
    context: typer.Context,
    overrides: Overrides,
    pipeline: Pipeline = Path("pipeline.yaml"),
    output: HowPrinted = Output.TABLE,
) -> None:
    """Put the variants of this pipeline file in force, also where a newer file has replaced them. A worker that starts
    does so by itself for a file that is new."""
    from streamapp.config.load import load_pipeline
    from streamapp.rollout.run import declare as run

    settings = load_pipeline(pipeline, overrides)
    reach = _reach(context, settings, pipeline)
    raise typer.Exit(asyncio.run(run(reach, settings, as_json=output is Output.JSON)))


@app.command()
def history(
    context: typer.Context,
    overrides: Overrides,
    model: SomeModel = None,
    pipeline: Pipeline = Path("pipeline.yaml"),
    output: HowPrinted = Output.TABLE,
) -> None:
    """Who did what, when, on which evidence; and what was refused."""
    from streamapp.config.load import load_pipeline
    from streamapp.rollout.run import history as run

    reach = _reach(context, load_pipeline(pipeline, overrides), pipeline)
    raise typer.Exit(asyncio.run(run(reach, model, as_json=output is Output.JSON)))


def _change(
    verb: str, context: typer.Context, overrides: list[str], model: str, reason: str, pipeline: Path, output: Output
) -> None:
    from streamapp.config.load import load_pipeline
    from streamapp.rollout.run import Verb, change

    reach = _reach(context, load_pipeline(pipeline, overrides), pipeline)
    raise typer.Exit(asyncio.run(change(reach, Verb(verb), model, reason=reason, as_json=output is Output.JSON)))


def _timeout_s(text: str | None, waits: bool, flag: str) -> float | None:
    """Seconds. Raises `ConfigError`."""
    from streamapp.config.duration import parse_duration

    if text is None:
        return None
    if not waits:
        raise ConfigError(f"--timeout has no meaning without {flag}\n  -> add it, or leave --timeout out")
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"--timeout: {error}\n  -> write it as 30s, 10m or 1h30m") from error
    if seconds <= 0:
        raise ConfigError("--timeout: must be greater than 0\n  -> leave it out to wait without a limit")
    return seconds


def _reach(context: typer.Context, settings: Any, pipeline: Path) -> Any:
    """What the commands reach: `context.obj` where somebody runs the command line with one."""
    from streamapp.rollout.reach import reach

    return (context.obj or reach)(settings, pipeline.parent)
