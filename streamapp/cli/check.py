"""`streamapp check`: what is wrong, before anything starts."""

import logging
from typing import Annotated

import typer

from streamapp.cli.arguments import Overrides, PipelineFile

_STYLE = {"ok": "green", "warning": "yellow", "error": "bold red"}


def check(
    pipeline: PipelineFile,
    overrides: Overrides,
    offline: Annotated[
        bool, typer.Option("--offline", help="Leave the broker, the ports and a remote registry out.")
    ] = False,
) -> None:
    """Check config, event schema, models, features, broker, topics, control and registry. Status 1 if something is
    wrong."""
    from rich.console import Console
    from rich.text import Text

    from streamapp.check import check_pipeline

    # What the libraries log on the way is in the findings, or does not matter here.
    logging.disable(logging.CRITICAL)
    console = Console(highlight=False, soft_wrap=True)
    findings = check_pipeline(pipeline, overrides=overrides, offline=offline)
    for finding in findings:
        console.print(Text(f"{finding.level.value:8}", _STYLE[finding.level.value]), end="")
        console.print(Text(f"{finding.subject}: ", "bold") + Text(_indented(finding.message)))
        if finding.remedy:
            console.print(Text(f"{'':8}-> {_indented(finding.remedy)}", "dim"))
    errors = sum(finding.level.value == "error" for finding in findings)
    warnings = sum(finding.level.value == "warning" for finding in findings)
    console.print(f"\n{_count(errors, 'error')}, {_count(warnings, 'warning')}" if errors or warnings else "\nready")
    raise typer.Exit(1 if errors else 0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _indented(text: str) -> str:
    return text.replace("\n", f"\n{'':8}")
