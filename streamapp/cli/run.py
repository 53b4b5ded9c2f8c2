"""`streamapp run`: the worker, or several."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from streamapp.cli.arguments import Overrides, PipelineFile
from streamapp.cli.logs import LogFormat, LogLevel, set_up

SPARE_S = 5.0
"""What a worker gets to end on top of `worker.drain_s`, before it is killed."""


def run(
    pipeline: PipelineFile,
    overrides: Overrides,
    workers: Annotated[int, typer.Option("--workers", "-n", min=1, help="Processes; they share the partitions.")] = 1,
    log_level: Annotated[LogLevel, typer.Option("--log-level", help="Least severe lines shown.")] = LogLevel.INFO,
    log_format: Annotated[LogFormat, typer.Option("--log-format", help="How lines look.")] = LogFormat.TEXT,
) -> None:
    """Score the pipeline's events until told to stop (SIGTERM or Ctrl-C). Start more of them to scale."""
    from streamapp.config.load import load_pipeline

    set_up(log_level, log_format)
    settings = load_pipeline(pipeline, overrides)
    if workers == 1:
        from streamapp.service import serve

        raise typer.Exit(serve(settings, pipeline.parent))
    from streamapp.supervisor import supervise

    options = [f"--log-level={log_level.value}", f"--log-format={log_format.value}"]
    commands = [
        [*_command(pipeline, overrides), *_own(i, settings.metrics.port, settings.kafka.client_id), *options]
        for i in range(workers)
    ]
    raise typer.Exit(supervise(commands, stop_within_s=settings.worker.drain_s + SPARE_S))


def _command(pipeline: Path, overrides: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "streamapp", "run", str(pipeline), *(f"--set={each}" for each in overrides)]


def _own(index: int, metrics_port: int, client_id: str) -> list[str]:
    """What tells a worker from the others: its metrics port and its client id."""
    port = metrics_port + index if metrics_port else 0
    return [f"--set=metrics.port={port}", f"--set=kafka.client.id={client_id}-{index}"]
