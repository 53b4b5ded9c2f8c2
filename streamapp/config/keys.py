"""The settings tree as data: which keys a section takes, as written in the file, of which type."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Union, cast, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from streamapp.config.problems import Path
from streamapp.config.settings import PipelineSettings


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section: `name` as a file writes it, `attribute` as Python does."""

    name: str
    attribute: str
    field: FieldInfo

    @property
    def description(self) -> str:
        """The field's docstring on one line."""
        return " ".join((self.field.description or "").split())

    @property
    def secret(self) -> bool:
        """Whether its value must never be shown."""
        return SecretStr in _members(self.field.annotation)


def keys_of(section: type[BaseModel]) -> dict[str, Key]:
    """The section's keys by their written name."""
    keys = (Key(info.alias or name, name, info) for name, info in section.model_fields.items())
    return {key.name: key for key in keys}


def find_key(section: type[BaseModel], name: str) -> Key | None:
    """The key written as `name`, by alias or by attribute."""
    return next((key for key in keys_of(section).values() if name in (key.name, key.attribute)), None)


def section_in(annotation: object) -> type[BaseModel] | None:
    """The section that a value of this type is, if it is one."""
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            return member
    return None


def item_type(annotation: object) -> object | None:
    """The type of the values of a mapping or of the items of a list; None for anything else."""
    for member in _members(annotation):
        if get_origin(member) is dict:
            return cast(object, get_args(member)[1])
        if get_origin(member) is tuple:
            return cast(object, get_args(member)[0])
    return None


def is_mapping(annotation: object) -> bool:
    """Whether keys of this type's values are the user's own names."""
    return any(get_origin(member) is dict for member in _members(annotation))


def key_at(root: type[BaseModel], path: Path) -> Key | None:
    """The key that `path` leads to from the section `root`, or whose mapping or list holds it."""
    annotation: object = root
    found: Key | None = None
    for part in path:
        section = section_in(annotation)
        if section is not None:
            found = find_key(section, str(part))
            if found is None:
                return None
            annotation = found.field.annotation
        else:
            annotation = item_type(annotation)
    return found


def section_at(root: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The section that `path` leads to from the section `root`."""
    annotation: object = root
    for part in path:
        section = section_in(annotation)
        if section is None:
            annotation = item_type(annotation)
        else:
            key = find_key(section, str(part))
            annotation = None if key is None else key.field.annotation
    return section_in(annotation)


def homes_of(root: type[BaseModel], name: str) -> list[str]:
    """The sections below `root`, as dotted paths with `<name>` for the user's own names, that take a key of this
    name."""
    return [path for path, section in sections(root) if path and find_key(section, name) is not None]


def sections(section: type[BaseModel] = PipelineSettings, path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section of the tree under its dotted path, in file order, each before what it holds."""
    yield path, section
    for key in keys_of(section).values():
        below = f"{path}.{key.name}" if path else key.name
        annotation: object = key.field.annotation
        if is_mapping(annotation):
            below, annotation = f"{below}.<name>", item_type(annotation)
        elif section_in(annotation) is None:
            below, annotation = f"{below}[]", item_type(annotation)
        child = section_in(annotation)
        if child is not None:
            yield from sections(child, below)


def _members(annotation: object) -> tuple[object, ...]:
    """The alternatives of a type, `Annotated` and unions taken apart."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(member for each in get_args(annotation) for member in _members(each))
    return (annotation,)
