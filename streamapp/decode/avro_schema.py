"""An Avro schema against the declared schema: what can be honoured, and how vectors are read whole."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fastavro

from streamapp.decode.schema import EventSchema, FieldRule
from streamapp.errors import SchemaError

_UNITS = {
    "timestamp-millis": "ms",
    "timestamp-micros": "us",
    "local-timestamp-millis": "ms",
    "local-timestamp-micros": "us",
}
_WHOLE = {"int", "long"}
_REAL = {"int", "long", "float", "double"}
_FITS: Mapping[str, set[str]] = {
    "bool": {"boolean"},
    "int32": _WHOLE,
    "int64": _WHOLE,
    "float32": _REAL,
    "float64": _REAL,
    "string": {"string", "enum"},
    "category": {"string", "enum", "int", "long"},
    "timestamp": {"int", "long", "double", "string"},
    "vector": {"array", "bytes", "string"},
}
_ELEMENTS = {"float": ("<f4", 4), "double": ("<f8", 8)}


@dataclass(frozen=True, slots=True)
class AvroSchema:
    """schema: the declared schema with the units of logical timestamps. written: the parsed Avro schema without logical
    types. packed: the same with arrays of vectors read as blocks of bytes. elements: field index -> NumPy dtype of an
    array's elements; other vectors are bytes or strings."""

    schema: EventSchema
    written: Any
    packed: Any
    elements: Mapping[int, str]


def load_avro_schema(path: Path, schema: EventSchema) -> AvroSchema:
    """The record schema in `path`. Raises `SchemaError` where it cannot be read or does not carry a declared field."""
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
        # Parsed once for its errors: the message of a broken schema should not come from a rewritten one.
        fastavro.parse_schema(loaded)
    except (OSError, ValueError) as error:
        raise SchemaError(f"source.schema_file: cannot read {path}: {error}; name an Avro schema (.avsc)") from error
    except (fastavro.schema.SchemaParseException, fastavro.schema.UnknownType, KeyError) as error:
        raise SchemaError(f"source.schema_file: {path} is not an Avro schema: {error}; correct it") from error
    if not isinstance(loaded, dict) or loaded.get("type") != "record" or "fields" not in loaded:
        raise SchemaError(f"source.schema_file: {path} is not a record; an event needs named fields")
    return _compile(loaded, schema)


def _compile(loaded: dict[str, Any], schema: EventSchema) -> AvroSchema:
    named = dict(_named_types(loaded))
    fields = {field["name"]: field for field in loaded["fields"]}
    rules: list[FieldRule] = []
    elements: dict[int, str] = {}
    packed_types: dict[str, Any] = {}
    for i, rule in enumerate(schema.rules):
        if rule.name not in fields:
            raise SchemaError(
                f"event.fields.{rule.name}: the Avro schema has no such field; remove it or correct the name"
            )
        nullable, bare = _without_null(rule.name, fields[rule.name]["type"])
        kind = _kind(rule, named.get(bare, bare) if isinstance(bare, str) else bare)
        rules.append(replace(rule, unit=_UNITS.get(_logical(bare), rule.unit)))
        if kind == "array":
            elements[i], packed = _packed(rule, bare, i)
            packed_types[rule.name] = ["null", packed] if nullable else packed
            if nullable == 2:
                packed_types[rule.name].reverse()
    written = _without_logical(loaded)
    packed_fields = [{**f, "type": packed_types.get(f["name"], f["type"])} for f in written["fields"]]
    return AvroSchema(
        replace(schema, rules=tuple(rules)),
        fastavro.parse_schema(written),
        fastavro.parse_schema(
            {**written, "fields": [{k: v for k, v in f.items() if k != "default"} for f in packed_fields]}
        ),
        elements,
    )


def _without_null(name: str, written: Any) -> tuple[int, Any]:
    """The type beside null, and the place of null in the union: 0 none, 1 first, 2 second."""
    if not isinstance(written, list):
        return 0, written
    others = [branch for branch in written if branch != "null"]
    if len(others) != 1:
        raise SchemaError(
            f"event.fields.{name}: an Avro union of several types cannot be one column; use null and one type"
        )
    if len(written) == 1:
        raise SchemaError(f"event.fields.{name}: an Avro union of one type; write the type itself")
    return (1 if written[0] == "null" else 2), others[0]


def _kind(rule: FieldRule, bare: Any) -> str:
    kind: Any = bare["type"] if isinstance(bare, dict) else bare
    if isinstance(kind, dict):
        return _kind(rule, kind)
    if kind not in _FITS[rule.dtype] or _logical(bare) == "decimal":
        raise SchemaError(
            f"event.fields.{rule.name}: dtype {rule.dtype} cannot be read from Avro {kind}; "
            f"it takes one of {', '.join(sorted(_FITS[rule.dtype]))}"
        )
    if rule.dtype == "timestamp" and _logical(bare) not in {"", *_UNITS}:
        raise SchemaError(
            f"event.fields.{rule.name}: Avro {_logical(bare)} is not read; use timestamp-millis or -micros"
        )
    return str(kind)


def _logical(bare: Any) -> str:
    return str(bare.get("logicalType", "")) if isinstance(bare, dict) else ""


def _packed(rule: FieldRule, bare: Any, i: int) -> tuple[str, Any]:
    """An array of k floats is written as count k, k elements, count 0 (Avro 1.11, "Arrays"), which is the
    encoding of a record of a long, a fixed and a long: read as such, no number becomes an object."""
    items = bare["items"]
    if items not in _ELEMENTS:
        raise SchemaError(f"event.fields.{rule.name}: a vector is an Avro array of float or double, not of {items}")
    dtype, size = _ELEMENTS[items]
    fixed = {"type": "fixed", "name": f"streamapp.Elements{i}", "size": rule.width * size}
    fields = [{"name": "count", "type": "long"}, {"name": "elements", "type": fixed}, {"name": "end", "type": "long"}]
    return dtype, {"type": "record", "name": f"streamapp.Vector{i}", "fields": fields}


def _named_types(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, list):
        for branch in node:
            yield from _named_types(branch)
    elif isinstance(node, dict):
        if node.get("type") in ("enum", "fixed", "record"):
            yield node["name"], node
            yield f"{node.get('namespace', '')}.{node['name']}".lstrip("."), node
        for part in (node.get("fields", []), node.get("type"), node.get("items"), node.get("values")):
            yield from _named_types(part)


def _without_logical(node: Any) -> Any:
    """The schema with plain numbers and strings: fastavro would make an object of each logical value."""
    if isinstance(node, list):
        return [_without_logical(branch) for branch in node]
    if isinstance(node, dict):
        return {key: _without_logical(value) for key, value in node.items() if key != "logicalType"}
    return node
