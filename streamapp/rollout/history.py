"""What was written to the control log, of which model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamapp.act.commands import Aliased, Declare, Deploy, Start
from streamapp.control.fold import Entry


@dataclass(frozen=True, slots=True)
class Line:
    """A record and the models that it is about; none for what cannot be read, or names a rollout that never began."""

    entry: Entry
    models: tuple[str, ...]


def lines(entries: Sequence[Entry], model: str | None = None) -> Iterator[Line]:
    """The history from its beginning, oldest first; with `model` what is about that one only."""
    rollouts: dict[str, str] = {}
    for entry in entries:
        line = Line(entry, _models(entry, rollouts))
        if model is None or model in line.models:
            yield line


def _models(entry: Entry, rollouts: dict[str, str]) -> tuple[str, ...]:
    command = entry.command
    if command is None:
        return ()
    if isinstance(command, Declare):
        return tuple(dict.fromkeys(variant.model for variant in command.variants.values()))
    if isinstance(command, Start | Deploy):
        rollouts.setdefault(command.id, command.model)
        return (command.model,)
    if isinstance(command, Aliased):
        return (command.model,)
    model = rollouts.get(command.rollout)
    return () if model is None else (model,)
