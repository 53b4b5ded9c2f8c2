"""Aliases: names that move between versions, each a small JSON file that remembers where it pointed."""

from dataclasses import dataclass

import msgspec

from streamapp.errors import IntegrityError
from streamapp.models.names import check_name

FOLDER = "_aliases"
"""In the model's folder. No version can be called that."""


@dataclass(frozen=True, slots=True)
class Move:
    """One step of an alias. who: a user; when: ISO 8601 in UTC; source: None for the first."""

    who: str
    when: str
    source: str | None
    target: str


@dataclass(frozen=True, slots=True)
class Alias:
    """Where an alias points, and every step on the way there, oldest first."""

    alias: str
    version: str
    history: tuple[Move, ...]


class _Step(msgspec.Struct, frozen=True):
    who: str
    when: str
    source: str | None = msgspec.field(name="from")
    target: str = msgspec.field(name="to")


class _File(msgspec.Struct, frozen=True):
    alias: str
    version: str
    history: tuple[_Step, ...]


def alias_path(model: str, alias: str) -> str:
    """Its file in the registry."""
    return f"{model}/{FOLDER}/{alias}.json"


def moved(before: Alias | None, alias: str, target: str, who: str, when: str) -> Alias:
    """The alias one step on."""
    history = before.history if before else ()
    source = before.version if before else None
    return Alias(alias, target, (*history, Move(who, when, source, target)))


def encode(alias: Alias) -> bytes:
    """As JSON, readable; a step says `from` and `to`."""
    steps = tuple(_Step(move.who, move.when, move.source, move.target) for move in alias.history)
    return msgspec.json.format(msgspec.json.encode(_File(alias.alias, alias.version, steps)), indent=2) + b"\n"


def decode(content: bytes, where: str) -> Alias:
    """Raises `IntegrityError` that names `where`."""
    try:
        found = msgspec.json.decode(content, type=_File)
    except msgspec.DecodeError as error:
        raise IntegrityError(f"{where}: not an alias file, or a damaged one: {error}") from error
    steps = tuple(Move(step.who, step.when, step.source, step.target) for step in found.history)
    check_name(found.version, "version")
    if not steps or steps[-1].target != found.version:
        raise IntegrityError(f"{where}: points to {found.version}, but its history does not end there")
    return Alias(found.alias, found.version, steps)
