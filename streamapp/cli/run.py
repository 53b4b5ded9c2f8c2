"""`streamapp run`: the worker, or several."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from streamapp.cli.arguments import Overrides, PipelineFile
from streamapp.cli.logs import LogFormat, LogLevel, set_up
from streamapp.config.settings import PipelineSettings

SPARE_S = 12.0
"""What a worker gets to end on top of `worker.drain_s`, before it is killed; by itself it ends within 10 s of that."""


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
        from streamapp.starting import ending_when_told

        with ending_when_told():
            from streamapp.service import serve

            raise typer.Exit(serve(settings, pipeline.parent))
    from streamapp.supervisor import supervise

    options = [f"--log-level={log_level.value}", f"--log-format={log_format.value}"]
    commands = worker_commands(pipeline, [*map("--set={}".format, overrides), *options], settings, workers)
    raise typer.Exit(supervise(commands, stop_within_s=settings.worker.drain_s + SPARE_S))


def worker_commands(
    pipeline: Path, options: Sequence[str], settings: PipelineSettings, workers: int
) -> list[list[str]]:
    """The command line of each worker; their metrics ports count up (0 stays 0) and their client ids are numbered."""
    port, client_id = settings.metrics.port, settings.kafka.client_id
    return [
        [
            *(sys.executable, "-m", "streamapp", "run", str(pipeline), *options),
            f"--set=metrics.port={port + index if port else 0}",
            f"--set=kafka.client.id={client_id}-{index}",
        ]
        for index in range(workers)
    ]
