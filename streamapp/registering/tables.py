"""What `streamapp models` prints: tables for people, JSON lines for programs."""

import sys
from collections.abc import Iterable, Sequence

import msgspec
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamapp.errors import RegistryError
from streamapp.models import Manifest, Registry
from streamapp.models.aliases import Alias
from streamapp.registering.compare import differences, lines
from streamapp.registering.found import Refused
from streamapp.registering.register import Registered


def print_versions(registry: Registry, models: Sequence[str], *, as_json: bool) -> None:
    """One row per version, the oldest first; a damaged one says so instead."""
    rows = []
    for model in models:
        pointing = registry.aliases(model)
        found = [_summary(registry, model, version, pointing) for version in registry.versions(model)]
        rows += sorted(found, key=lambda row: str(row["registered_at"]))
    if as_json:
        _print_json(rows)
        return
    titles = ("model", "version", "aliases", "runtime", "registered", "by", "parent", "metrics")
    cells = [(r["model"], r["version"], _aliases(r), r["runtime"], r["registered_at"], r["by"], r["parent"], r["told"])
             for r in rows]  # fmt: skip
    _print_table(titles, cells)
    _say(f"{counted(len(rows), 'version')} of {counted(len(models), 'model')} in {registry.url}")


def print_version(manifest: Manifest, aliases: Sequence[Alias], *, as_json: bool) -> None:
    """Everything that is known of one version."""
    names = [alias.alias for alias in aliases if alias.version == manifest.version]
    if as_json:
        _print_json([{**msgspec.to_builtins(manifest), "aliases": names}])
        return
    told = [*lines(manifest), *[("alias", name) for name in names]]
    width = max(len(name) for name, _ in told)
    for name, value in told:
        _say(f"{name:{width}}  {value}")


def print_aliases(aliases: Sequence[Alias]) -> None:
    """Where each alias points, and how it came there."""
    cells = [
        (alias.alias, move.source or "-", move.target, move.when, move.who)
        for alias in aliases
        for move in alias.history
    ]
    if cells:
        _say("")
        _print_table(("alias", "from", "to", "when", "who"), cells)


def print_difference(a: Manifest, b: Manifest, *, as_json: bool) -> None:
    """What is not the same in two versions."""
    rows = differences(a, b)
    if as_json:
        _print_json([{"what": what, "a": one, "b": other} for what, one, other in rows])
    elif rows:
        _print_table(("", a.version, b.version), rows)
    else:
        _say(f"{a.version} and {b.version} do not differ")


def print_outcomes(outcomes: Iterable[Registered | Refused], *, as_json: bool) -> None:
    """What became of each version."""
    for outcome in outcomes:
        row = _outcome(outcome)
        if as_json:
            _print_json([row])
        else:
            reason = f": {row['reason']}" if row["reason"] else ""
            _say(f"{row['model']} {row['version']} {row['outcome']}{reason}".replace("  ", " "))


def _outcome(outcome: Registered | Refused) -> dict[str, str]:
    if isinstance(outcome, Refused):
        said = {"outcome": "refused", "reason": outcome.reason}
        return {"model": outcome.model, "version": outcome.version, **said}
    manifest = outcome.manifest
    happened = "registered" if outcome.added else "was registered before, with the same content"
    return {"model": manifest.model, "version": manifest.version, "outcome": happened, "reason": ""}


def _summary(registry: Registry, model: str, version: str, aliases: Sequence[Alias]) -> dict[str, object]:
    row: dict[str, object] = {
        "model": model,
        "version": version,
        "aliases": [alias.alias for alias in aliases if alias.version == version],
    }
    try:
        manifest = registry.version(model, version)
    except RegistryError as error:
        absent = dict.fromkeys(("runtime", "registered_at", "by", "parent"), "")
        return {**row, **absent, "metrics": {}, "told": "damaged, see show", "damaged": str(error)}
    return {
        **row,
        "runtime": manifest.runtime,
        "registered_at": manifest.registered_at,
        "by": manifest.registered_by,
        "parent": manifest.parent or "",
        "metrics": dict(manifest.metrics),
        "told": " ".join(f"{name}={value:g}" for name, value in sorted(manifest.metrics.items())),
    }


def _aliases(row: dict[str, object]) -> str:
    names = row["aliases"]
    return " ".join(names) if isinstance(names, list) else ""


def _print_json(rows: Iterable[object]) -> None:
    for row in rows:
        sys.stdout.buffer.write(orjson.dumps(row) + b"\n")
    sys.stdout.buffer.flush()


def _print_table(titles: Sequence[str], cells: Sequence[Sequence[object]]) -> None:
    if not cells:
        return
    table = Table(box=None)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in cells:
        table.add_row(*(Text(safe(str(cell))) for cell in row))
    _console().print(table)


def _say(text: str) -> None:
    _console().print(Text(safe(text)))


def counted(count: int, what: str) -> str:
    """
    >>> counted(1, "file"), counted(2, "file")
    ('1 file', '2 files')
    """
    return f"{count} {what}{'' if count == 1 else 's'}"


def safe(text: str) -> str:
    """Without what steers a terminal; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _console() -> Console:
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())
