"""Avro records to columns: schemaless values, or Confluent's framing around them."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
import msgspec
import numpy as np

from streamapp.decode.assemble import Assembler, VectorColumn
from streamapp.decode.avro_schema import load_avro_schema
from streamapp.decode.avro_vectors import AvroVector
from streamapp.decode.checks import check_value
from streamapp.decode.cloudevents import Context, read_context
from streamapp.decode.columns import filler
from streamapp.decode.diagnose import missing
from streamapp.decode.failures import failure, shortened
from streamapp.decode.schema import FLOATS, EventSchema
from streamapp.decode.typed import event_type, scalar_type
from streamapp.types import EventBatch, Failure, RecordBatch

_MAGIC = 0
_FRAME_BYTES = 5
_UNREADABLE = (EOFError, LookupError, ValueError, TypeError, OverflowError, MemoryError, RecursionError)


class _Refused(NamedTuple):
    failure: Failure
    id: str = ""


class NotAvro(ValueError):
    """The bytes are not one value of the schema."""


class AvroDecoder:
    """A `Decoder` for one Avro value per record, binary encoding, written with the schema in a file.

    A value that begins with byte 0 and four bytes of a schema id (Confluent's wire format) is read without them,
    whatever the id says, if what follows is exactly one value; else it is read whole.
    """

    def __init__(self, schema: EventSchema, path: Path) -> None:
        self._avro = load_avro_schema(path, schema)
        self._schema = schema = self._avro.schema
        event = event_type(schema, lambda rule: Any if rule.dtype == "vector" else scalar_type(schema, rule))
        self._event = event
        self._filler = event(**filler(schema.rules))
        vectors: dict[int, VectorColumn] = {
            i: AvroVector(rule, np.dtype(self._avro.elements.get(i, "<f4")))
            for i, rule in enumerate(schema.rules)
            if rule.dtype == "vector"
        }
        late = tuple(i for i, rule in enumerate(schema.rules) if rule.dtype in FLOATS)
        self._assembler = Assembler(schema, vectors, late)

    def decode(self, records: RecordBatch) -> EventBatch:
        """Decode n records; a bad row becomes a failure with field, rule and value."""
        failures: dict[int, Failure] = {}
        context = read_context(records, self._schema, failures)
        rows = self._typed_rows(context, failures)
        return self._assembler.assemble(records, rows, context, failures)

    def _typed_rows(self, context: Context, failures: dict[int, Failure]) -> list[msgspec.Struct]:
        rows: list[msgspec.Struct] = []
        for row, value in enumerate(context.values):
            typed = self._typed(value)
            if isinstance(typed, _Refused):
                failures.setdefault(row, typed.failure)
                context.refused_ids[row] = typed.id
                typed = self._filler
            rows.append(typed)
        return rows

    def _typed(self, value: bytes | None) -> "msgspec.Struct | _Refused":
        if not value:
            return _Refused(failure("empty", "the record has no value" if value is None else "the value is empty"))
        try:
            fields = self._fields(value)
        except NotAvro as error:
            return _Refused(failure("not_avro", str(error), rule="Avro", value=shortened(value)))
        try:
            return msgspec.convert(fields, self._event)
        except msgspec.ValidationError as error:
            return _Refused(self._explain(fields, error), self._id(fields))

    def _fields(self, value: bytes) -> Mapping[str, Any]:
        """The fields of one value. Raises `NotAvro`."""
        if value[0] == _MAGIC and len(value) > _FRAME_BYTES:
            try:
                return self._unframed(value[_FRAME_BYTES:])
            except NotAvro:
                return self._unframed(value)
        return self._unframed(value)

    def _unframed(self, value: bytes) -> Mapping[str, Any]:
        if self._avro.elements:
            try:
                fields = _read(self._avro.packed, value)
            except NotAvro:
                fields = {}
            if fields and all(self._is_whole(i, fields) for i in self._avro.elements):
                return fields
        return _read(self._avro.written, value)

    def _is_whole(self, i: int, fields: Mapping[str, Any]) -> bool:
        """Whether the packed reading of a vector is what was written: one block of k elements and the end."""
        rule = self._schema.rules[i]
        packed = fields[rule.name]
        return packed is None or (packed["count"] == rule.width and packed["end"] == 0)

    def _id(self, fields: Mapping[str, Any]) -> str:
        i = self._schema.id_field
        if i is None:
            return ""
        value = fields[self._schema.rules[i].name]
        good = value is not None and check_value(self._schema.rules[i], value, True) is None
        return str(value) if good else ""

    def _explain(self, fields: Mapping[str, Any], error: msgspec.ValidationError) -> Failure:
        for i, rule in enumerate(self._schema.rules):
            value = fields[rule.name]
            if value is None:
                if rule.required:
                    return missing(rule, "is null")
            elif rule.dtype != "vector":
                broken = check_value(rule, value, i == self._schema.id_field)
                if broken is not None:
                    return failure(broken.code, broken.message, rule.name, broken.rule, shortened(value))
        return failure("wrong_type", str(error))


def _read(schema: Any, value: bytes) -> Mapping[str, Any]:
    """Exactly one value, nothing left over. Raises `NotAvro`."""
    stream = io.BytesIO(value)
    try:
        fields: Mapping[str, Any] = fastavro.schemaless_reader(stream, schema, None)
    except _UNREADABLE as error:
        raise NotAvro(f"not a value of the schema: {error}") from error
    if stream.tell() != len(value):
        raise NotAvro(f"{len(value) - stream.tell()} bytes are left over")
    return fields
