"""`streamapp dlq`: dead letters, looked at and sent back."""

import asyncio
import logging
import sys
from enum import Enum
from typing import Annotated, Any

import typer

from streamapp.cli.arguments import Overrides, PipelineFile

app = typer.Typer(name="dlq", no_args_is_help=True)


def _several(name: str, what: str, metavar: str = "TEXT") -> Any:
    """An option that may be repeated."""
    return typer.Option(
        name, metavar=metavar, help=f"{what} May be repeated.", default_factory=list, show_default=False
    )


Codes = Annotated[list[str], _several("--code", "Only this code.")]
Fields = Annotated[list[str], _several("--field", "Only this event field.")]
Stages = Annotated[list[str], _several("--stage", "Only this stage.")]
Partitions = Annotated[list[int], _several("--partition", "Only this partition.", "NUMBER")]
Letters = Annotated[list[str], _several("--letter", "Only this one, written as in `show`.", "ADDRESS")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Written at or after: ISO 8601, or ago: 2h, 7d.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Written before.")]


@app.callback()
def _quiet() -> None:
    """Dead letters: list, show, replay. Nothing is ever deleted."""
    # What stops a command is raised and told once; aiokafka logs it as well, with its stack, and leaves futures unread.
    for library in ("aiokafka", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


class Output(str, Enum):
    """How letters are printed."""

    TABLE = "table"
    JSON = "json"


class Timestamps(str, Enum):
    """Which timestamp a copy gets."""

    ORIGINAL = "original"
    NOW = "now"


@app.command("list")
def list_(
    pipeline: PipelineFile,
    overrides: Overrides,
    codes: Codes,
    fields: Fields,
    stages: Stages,
    partitions: Partitions,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=0, help="The newest so many; 0 is all.")] = 100,
    summary: Annotated[bool, typer.Option("--summary", help="Counts per stage, code and field.")] = False,
    output: Annotated[Output, typer.Option(help="A table, or JSON lines.")] = Output.TABLE,
) -> None:
    """What is in the dead-letter topic."""
    from streamapp.clock import SystemClock
    from streamapp.config.load import load_pipeline
    from streamapp.dlq.filters import letter_filter
    from streamapp.dlq.look import find_letters
    from streamapp.dlq.tables import print_json, print_summary, print_table

    wanted = letter_filter(codes, fields, stages, partitions, since, until, SystemClock())
    found = asyncio.run(find_letters(load_pipeline(pipeline, overrides), wanted, limit or None))
    if summary:
        print_summary(found, as_json=output is Output.JSON)
    elif output is Output.JSON:
        print_json(found)
    else:
        print_table(found)


@app.command()
def show(
    pipeline: PipelineFile,
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS",
            help="PARTITION:OFFSET in the dead-letter topic, or TOPIC/PARTITION/OFFSET of the event that failed.",
        ),
    ],
    overrides: Overrides,
    output: Annotated[Output, typer.Option(help="Lines, or one JSON object.")] = Output.TABLE,
) -> None:
    """One dead letter in full."""
    from streamapp.config.load import load_pipeline
    from streamapp.dlq.look import find_letter
    from streamapp.dlq.place import parse_place
    from streamapp.dlq.write import as_json, in_full

    settings = load_pipeline(pipeline, overrides)
    letter, replayed = asyncio.run(find_letter(settings, parse_place(address, settings.dead_letters.topic)))
    typer.echo(as_json(letter, replayed) if output is Output.JSON else in_full(letter, replayed))


@app.command()
def replay(
    pipeline: PipelineFile,
    overrides: Overrides,
    codes: Codes,
    fields: Fields,
    stages: Stages,
    partitions: Partitions,
    letters: Letters,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Send back at most so many.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also what this schema still refuses.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    timestamps: Annotated[
        Timestamps, typer.Option(help="Of the copies. The topic's retention may take old ones away at once.")
    ] = Timestamps.NOW,
    batch_rows: Annotated[int, typer.Option("--batch-rows", min=1, help="Letters per transaction.")] = 500,
    without_transactions: Annotated[
        bool, typer.Option("--without-transactions", help="A replay that is cut off may send letters twice.")
    ] = False,
    output: Annotated[Output, typer.Option(help="Lines, or one JSON object.")] = Output.TABLE,
) -> None:
    """Send events back to where they came from; each once, however often this is run.

    PIPELINE is the file as it is now: letters that its schema still refuses stay where they are.
    """
    from streamapp.clock import SystemClock
    from streamapp.config.load import load_pipeline
    from streamapp.dlq.filters import letter_filter
    from streamapp.dlq.place import parse_place
    from streamapp.dlq.replay import ReplayOptions
    from streamapp.dlq.replay import replay as run
    from streamapp.dlq.tables import print_tally

    settings = load_pipeline(pipeline, overrides)
    options = ReplayOptions(
        validate=not force,
        dry_run=dry_run,
        limit=limit,
        keep_timestamp=timestamps is Timestamps.ORIGINAL,
        transactions=not without_transactions,
        batch_rows=batch_rows,
    )
    clock = SystemClock()
    places = [parse_place(address, settings.dead_letters.topic) for address in letters]
    wanted = letter_filter(codes, fields, stages, partitions, since, until, clock, places)
    if without_transactions and not dry_run:
        sys.stderr.write("without transactions: if this is cut off, run again, up to --batch-rows letters go twice\n")
    tally = asyncio.run(run(settings, pipeline.parent, wanted, options, clock))
    print_tally(tally, dry_run=dry_run, as_json=output is Output.JSON)
