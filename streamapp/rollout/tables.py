"""What the commands print: lines for people, JSON lines for machines."""

import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from streamapp.act.state import Promotion, Rollout, State
from streamapp.control.fold import Entry
from streamapp.plain import iso, safe
from streamapp.rollout.history import Line
from streamapp.rollout.words import what, where, why


def print_status(state: State, models: Iterable[str], *, as_json: bool) -> None:
    """A paragraph per model."""
    for model in models:
        rollout, variants, promotion = state.rollouts.get(model), _variants(state, model), state.promotions.get(model)
        if as_json:
            _json({"model": model, "variants": variants, "rollout": _rollout(rollout), "promotion": promotion})
            continue
        serves = (f"{each['variant']} {each['version']} ({100 * each['share']:.4g} %)" for each in variants)
        _say(model)
        for name, said in (("serves", ", ".join(serves)), *_cells(rollout), *_alias(promotion)):
            _say(f"  {name:8} {said}")


def print_rollout(rollout: Rollout, *, as_json: bool) -> None:
    """One line on how far it is."""
    if as_json:
        _json(_rollout(rollout))
        return
    reason = f" ({rollout.reason})" if rollout.reason else ""
    _say(f"rollout {rollout.id} of {rollout.model} to version {rollout.version}: {_stands(rollout)}{reason}")
    if rollout.waits:
        _say(f"it waits for a person: streamapp rollout resume|promote|abort {rollout.model}")


def print_goes_on(rollout: Rollout) -> None:
    """One line for whoever does not wait any longer."""
    _say(f"it goes on without being waited for: streamapp rollout status {rollout.model} --watch")


def print_history(found: Iterable[Line], *, as_json: bool) -> None:
    """One line per record, oldest first; columns line up but for the last one."""
    if as_json:
        for line in found:
            _json(_entry(line))
        return
    rows = [_row(line) for line in found]
    widths = [max(map(len, column)) for column in zip(*(row[:-1] for row in rows), strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        _say("  ".join([*cells, row[-1]]))


def print_entry(entry: Entry, model: str, *, as_json: bool) -> None:
    """A record as it is followed."""
    if as_json:
        _json(_entry(Line(entry, (model,))))
        return
    _, at, by, _, said = _row(Line(entry, (model,)))
    _say("  ".join((at, by, said)))


def _row(line: Line) -> tuple[str, ...]:
    entry, command = line.entry, line.entry.command
    by, said = ("", []) if command is None else (command.by, [what(command), why(command)])
    refused = f"refused: {entry.refusal}" if entry.refusal else ""
    parts = "  ".join(part for part in (*said, refused) if part)
    return str(entry.offset), iso(entry.at_ms), by, ",".join(line.models), parts


def _cells(rollout: Rollout | None) -> list[tuple[str, str]]:
    if rollout is None:
        return [("rollout", "none since its variants were declared")]
    return [
        ("rollout", f"{rollout.id} to version {rollout.version}, by {rollout.by} at {iso(rollout.started_ms)}"),
        ("status", _stands(rollout)),
        *([("because", rollout.reason)] if rollout.reason else []),
        ("weight", f"{rollout.weight:.4g} % of the model's keys, shadow {rollout.shadow:.4g} %"),
    ]


def _alias(promotion: Promotion | None) -> list[tuple[str, str]]:
    """What became of the registry's alias, as far as a leader has said so."""
    if promotion is None or not promotion.reason:
        return []
    return [("alias", promotion.reason if promotion.settled else f"{promotion.reason}; tried again")]


def _stands(rollout: Rollout) -> str:
    return rollout.status if rollout.over else f"{rollout.status}, {where(rollout)}"


def _variants(state: State, model: str) -> list[dict[str, Any]]:
    """share: of all keys, in [0, 1]."""
    total = sum(state.weights.values())
    return [
        {
            "variant": name,
            "version": state.version_of(state.tenants[name]),
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
    return {**msgspec.to_builtins(rollout), "where": where(rollout), "waits": rollout.waits}


def _entry(line: Line) -> dict[str, Any]:
    entry = line.entry
    return {
        "offset": entry.offset,
        "at": iso(entry.at_ms),
        "models": line.models,
        "command": None if entry.command is None else msgspec.to_builtins(entry.command),
        "refused": entry.refusal,
    }


def _json(found: Any) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    sys.stdout.buffer.flush()


def _say(text: str) -> None:
    sys.stdout.write(safe(text) + "\n")
    sys.stdout.flush()
