"""`streamapp experiment`: variants compared on their outcomes."""

import logging
import sys
from contextlib import nullcontext
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from streamapp.cli.arguments import Overrides

app = typer.Typer(name="experiment", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Experiments: variants compared, at any moment."""
    # What stops a command is raised and told once; aiokafka logs it as well, with its stack.
    for library in ("aiokafka", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


class Output(str, Enum):
    """How the report is printed."""

    TABLE = "table"
    JSON = "json"


@app.command("report")
def report_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSON lines: the plan, then outcomes; - is stdin.", allow_dash=True)
    ],
    output: Annotated[Output, typer.Option(help="A table, or one JSON object.")] = Output.TABLE,
    picture: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Write the sequences over time.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON.")] = None,
) -> None:
    """Compare the variants of an experiment; looking at any moment is allowed.

    FILE is described in docs/experiments.md.
    """
    from streamapp.errors import ConfigError
    from streamapp.experiment.picture import picture as draw
    from streamapp.experiment.read import read
    from streamapp.experiment.report import report
    from streamapp.experiment.tables import print_json, print_report, to_json

    try:
        source = nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    with source as lines:
        found = report(*read(lines, "stdin" if str(file) == "-" else str(file)))
    for path, text in ((picture, draw), (json_file, to_json)):
        if path is not None:
            try:
                path.write_text(text(found), encoding="utf-8")
            except OSError as error:
                raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    (print_json if output is Output.JSON else print_report)(found)


@app.command()
def collect(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="What is compared, on which metrics: YAML or JSON.")],
    overrides: Overrides,
    pipeline: Annotated[
        Path, typer.Option("--pipeline", "-p", metavar="FILE", envvar="STREAMAPP_PIPELINE", help="The pipeline file.")
    ] = Path("pipeline.yaml"),
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Scored at or after: ISO 8601, or ago: 2h, 7d.", show_default=False
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Scored before; now if absent.", show_default=False)
    ] = None,
    covariate_rows: Annotated[
        int,
        typer.Option(
            "--covariate-rows", min=1, help="Units that the offline store is asked for at once; more need more memory."
        ),
    ] = 2_000,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the lines go; - is stdout.", allow_dash=True)
    ] = Path("-"),
) -> None:
    """Collect the outcomes of an experiment from the topics of a pipeline, for `report`.

    PLAN is described in docs/experiments.md. Nothing is written unless everything could be read.
    """
    from streamapp.clock import SystemClock
    from streamapp.collect.gather import Span
    from streamapp.collect.load import load_plan
    from streamapp.collect.run import collect as run
    from streamapp.config.load import load_pipeline
    from streamapp.dlq.filters import parse_time
    from streamapp.errors import ConfigError

    now_ms = SystemClock().now_ms()
    span = Span(
        0 if since is None else parse_time(since, now_ms),
        now_ms if until is None else min(parse_time(until, now_ms), now_ms),
    )
    settings = load_pipeline(pipeline, overrides)
    found = run(settings, pipeline.parent, load_plan(plan, settings), span, covariate_rows)
    for note in found.notes:
        sys.stderr.write(f"{note}\n")
    try:
        target = nullcontext(sys.stdout.buffer) if str(out) == "-" else out.open("wb")
        with target as file:
            file.writelines(line + b"\n" for line in found.lines)
            file.flush()
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror}") from error
