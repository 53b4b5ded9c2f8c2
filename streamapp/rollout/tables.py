"""What the commands print: tables and lines for people, JSON lines for machines."""

import sys
from collections.abc import Iterable
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamapp.act.state import Rollout, State
from streamapp.control.fold import Entry
from streamapp.plain import iso, safe
from streamapp.rollout.history import Line
from streamapp.rollout.words import version_of, waits, what, where, why


def print_status(state: State, models: Iterable[str], *, as_json: bool) -> None:
    """One row per model."""
    table = Table("model", "serves", "rollout", "to", "status", "step", "weight", "shadow", "by", "reason", box=None)
    for model in models:
        rollout = state.rollouts.get(model)
        if as_json:
            _line({"model": model, "variants": _variants(state, model), "rollout": _rollout(rollout)})
            continue
        variants = (
            f"{each['variant']} {each['version']} ({100 * each['share']:.4g} %)" for each in _variants(state, model)
        )
        table.add_row(*map(Text, map(safe, (model, ", ".join(variants), *_cells(rollout)))))
    if not as_json:
        _console().print(table)


def print_rollout(rollout: Rollout, *, as_json: bool) -> None:
    """One line on how far it is."""
    if as_json:
        _line(_rollout(rollout))
        return
    said = f"rollout {rollout.id} of {rollout.model} to version {rollout.version}: {rollout.status}"
    said += "" if rollout.over else f", {where(rollout)}"
    reason = f" ({rollout.reason})" if rollout.reason else ""
    _console().print(Text(safe(said + reason)))
    if waits(rollout):
        _console().print(Text(safe(f"it waits for a person: streamapp rollout resume|promote|abort {rollout.model}")))


def print_history(found: Iterable[Line], *, as_json: bool) -> None:
    """One row per record, oldest first."""
    table = Table("offset", "at", "by", "model", "what", "why", "refused", box=None)
    for line in found:
        if as_json:
            _line(_entry(line))
        else:
            entry, command = line.entry, line.entry.command
            said = ("", "", "") if command is None else (command.by, what(command), why(command))
            cells = (str(entry.offset), iso(entry.at_ms), said[0], ", ".join(line.models), *said[1:], entry.refusal)
            table.add_row(*map(Text, map(safe, cells)))
    if not as_json:
        _console().print(table)


def print_entry(entry: Entry, model: str, *, as_json: bool) -> None:
    """A record as it is followed."""
    if as_json:
        _line(_entry(Line(entry, (model,))))
    elif entry.command is not None:
        parts = (iso(entry.at_ms), entry.command.by, what(entry.command), why(entry.command))
        _console().print(Text(safe("  ".join(part for part in parts if part))))


def _cells(rollout: Rollout | None) -> tuple[str, ...]:
    if rollout is None:
        return ("",) * 8
    shares = f"{rollout.weight:.4g} %", f"{rollout.shadow:.4g} %"
    step = "" if rollout.over else where(rollout)
    return rollout.id, rollout.version, rollout.status, step, *shares, rollout.by, rollout.reason


def _variants(state: State, model: str) -> list[dict[str, Any]]:
    """share: of all keys, in [0, 1]."""
    total = sum(state.weights.values())
    return [
        {
            "variant": name,
            "version": version_of(state, name),
            "wiring": state.tenants[name].wiring,
            "share": state.weights[name] / total,
            "shadow": state.shadows[name],
        }
        for name, declared in state.declared.items()
        if declared.model == model
    ]


def _rollout(rollout: Rollout | None) -> Any:
    if rollout is None:
        return None
    return {**msgspec.to_builtins(rollout), "where": where(rollout), "waits": waits(rollout)}


def _entry(line: Line) -> dict[str, Any]:
    entry = line.entry
    return {
        "offset": entry.offset,
        "at": iso(entry.at_ms),
        "models": line.models,
        "command": None if entry.command is None else msgspec.to_builtins(entry.command),
        "refused": entry.refusal,
    }


def _line(found: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    sys.stdout.buffer.flush()


def _console() -> Console:
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())
