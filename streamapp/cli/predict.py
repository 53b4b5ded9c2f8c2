"""`streamapp predict`: score a file of events, without a broker."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from streamapp.cli.arguments import Overrides, PipelineFile


def predict(
    pipeline: PipelineFile,
    events: Annotated[
        Path, typer.Argument(metavar="EVENTS", help="JSON lines, one event each; - is stdin.", allow_dash=True)
    ],
    overrides: Overrides,
) -> None:
    """Score events through the worker's own stages; one JSON line per event, in order, on stdout."""
    from streamapp.config.load import load_pipeline
    from streamapp.errors import ConfigError
    from streamapp.offline import predict_lines
    from streamapp.pipeline import Pipeline

    settings = load_pipeline(pipeline, overrides)
    try:
        source = nullcontext(sys.stdin.buffer) if str(events) == "-" else events.open("rb")
    except OSError as error:
        raise ConfigError(f"{events}: cannot be read: {error.strerror}") from error
    with source as lines, Pipeline.build(settings, pipeline.parent) as loaded:
        counts = predict_lines(loaded, lines, sys.stdout.buffer)
    typer.echo(f"{counts.answered} answered, {counts.failed} failed", err=True)
