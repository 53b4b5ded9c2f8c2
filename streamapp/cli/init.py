"""`streamapp init`: a starter pipeline."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    directory: Annotated[Path, typer.Argument(help="Where to write; made if absent.")] = Path("."),
) -> None:
    """Write a commented pipeline.yaml, a starter Feast repository and a training script. Overwrites nothing."""
    from streamapp.templates import write_starter

    for path in write_starter(directory):
        typer.echo(f"  {path}")
    steps = "" if directory == Path(".") else f"cd {directory} && "
    typer.echo(f"\nNext: {steps}streamapp check pipeline.yaml     (README.md has the steps)")
