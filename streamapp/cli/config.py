"""`streamapp config`: the reference of the pipeline file."""

import typer


def config() -> None:
    """Print every key of a pipeline file: type, default, meaning (Markdown)."""
    from streamapp.config.reference import reference

    typer.echo(reference(), nl=False)
