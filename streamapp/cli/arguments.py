"""Arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

PipelineFile = Annotated[Path, typer.Argument(metavar="PIPELINE", help="The pipeline file.", show_default=False)]
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Lay one setting over the file, e.g. kafka.bootstrap.servers=host:9092. May be repeated.",
        default_factory=list,
        show_default=False,
    ),
]
