"""`streamapp demo`: real flights, in time-lapse."""

from pathlib import Path
from typing import Annotated

import typer

from streamapp.demo.options import ROLLBACK_UNTIL, UNTIL, DemoOptions

_DEFAULT = DemoOptions()


def demo(
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Day after the last one replayed.", show_default=False)
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(min=1, help="Event seconds per second; by itself the whole takes about two minutes."),
    ] = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Your Kafka instead of the embedded broker.")
    ] = None,
    keep_running: Annotated[bool, typer.Option("--keep-running", help="Leave everything up until Ctrl-C.")] = False,
    seed: Annotated[int, typer.Option(help="Of the events that are broken on purpose.")] = _DEFAULT.seed,
    directory: Annotated[Path, typer.Option(help="Data, models, logs and the pipeline file.")] = _DEFAULT.directory,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a live screen.")] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Roll a sabotaged version out and see it taken back by itself.")
    ] = False,
) -> None:
    """Replay the flights out of New York in 2013 through a real worker: a challenger that is rolled out and wins by its
    labels, and drift."""
    from streamapp.demo.run import run

    options = DemoOptions(
        until=until or (ROLLBACK_UNTIL if rollback else UNTIL),
        speed=speed,
        bootstrap_servers=bootstrap_servers,
        keep_running=keep_running,
        directory=directory,
        seed=seed,
        plain=plain,
        rollback=rollback,
    )
    raise typer.Exit(run(options))
