"""`streamapp experiment`: variants compared on their outcomes."""

import sys
from contextlib import nullcontext
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="experiment", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Experiments: variants compared, at any moment."""


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
