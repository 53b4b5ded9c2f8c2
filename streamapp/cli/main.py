"""The `streamapp` command."""

import sys
from typing import Annotated

import typer

from streamapp import __version__
from streamapp.cli import check, config, demo, dlq, experiment, init, models, predict, rollout, run
from streamapp.errors import ConfigError, StreamappError

app = typer.Typer(
    name="streamapp",
    help="Real-time inference on Kafka, batch by batch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"streamapp {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Real-time inference on Kafka, batch by batch."""


app.command("init")(init.init)
app.command("check")(check.check)
app.command("run")(run.run)
app.command("predict")(predict.predict)
app.command("demo")(demo.demo)
app.command("config")(config.config)
app.add_typer(dlq.app)
app.add_typer(models.app)
app.add_typer(rollout.app)
app.add_typer(experiment.app)


def main(obj: object = None) -> None:
    """Entry point. Exit status 2 for a wrong command line or pipeline file, 1 for any other known error.

    A known error is a message without a traceback; anything else is a bug and shows where it happened. obj: given to
    every command as its context's; `streamapp rollout` and `models alias` take it for what they reach.
    """
    try:
        app(prog_name="streamapp", obj=obj)
    except ConfigError as error:
        _fail(error, 2)
    except StreamappError as error:
        _fail(error, 1)


def _fail(error: StreamappError, status: int) -> None:
    sys.stderr.write(f"streamapp: {error.code}: {error}\n")
    sys.exit(status)
