"""JSON records to columns: one typed decode per record, a second look only at the rows that it refuses."""

from collections.abc import Sequence

import msgspec

from streamapp.decode.assemble import Assembler, VectorColumn
from streamapp.decode.cloudevents import Context, read_context
from streamapp.decode.columns import filler
from streamapp.decode.diagnose import Diagnosis, missing
from streamapp.decode.schema import FLOATS, EventSchema, FieldRule
from streamapp.decode.typed import event_type, scalar_type
from streamapp.types import EventBatch, Failure, Float32, RecordBatch


class JsonDecoder:
    """A `Decoder` for one JSON object (RFC 8259, UTF-8) per record."""

    def __init__(self, schema: EventSchema) -> None:
        self._schema = schema
        event = event_type(schema, lambda rule: msgspec.Raw if rule.dtype == "vector" else scalar_type(schema, rule))
        self._typed = msgspec.json.Decoder(event)
        self._filler = event(**filler(schema.rules))
        self._diagnosis = Diagnosis(schema)
        vectors: dict[int, VectorColumn] = {
            i: JsonVector(rule) for i, rule in enumerate(schema.rules) if rule.dtype == "vector"
        }
        late = tuple(i for i, rule in enumerate(schema.rules) if rule.dtype in FLOATS and rule.allowed)
        self._assembler = Assembler(schema, vectors, late)

    def decode(self, records: RecordBatch) -> EventBatch:
        """Decode n records; a bad row becomes a failure with field, rule and value."""
        failures: dict[int, Failure] = {}
        context = read_context(records, self._schema, failures)
        rows = self._typed_rows(context, failures)
        return self._assembler.assemble(records, rows, context, failures)

    def _typed_rows(self, context: Context, failures: dict[int, Failure]) -> list[msgspec.Struct]:
        decode = self._typed.decode
        rows: list[msgspec.Struct] = []
        keep = rows.append
        for row, value in enumerate(context.values):
            try:
                keep(decode(value or b""))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):  # noqa: PERF203 row by row
                keep(self._filler)
                found, context.refused_ids[row] = self._diagnosis.explain(value)
                failures.setdefault(row, found)
        return rows


class JsonVector:
    """A vector field of a JSON event."""

    def __init__(self, rule: FieldRule) -> None:
        from streamapp.decode.vectors import VectorReader

        self._rule = rule
        self._reader = VectorReader(rule)

    def read(self, written: Sequence[msgspec.Raw | None], failures: dict[int, Failure]) -> Float32:
        """Raw JSON values to float32 (n, k)."""
        cells = [None if raw is None else bytes(raw) for raw in written]
        for row, cell in enumerate(cells):
            if cell == b"null":
                cells[row] = None
                if self._rule.required and row not in failures:
                    failures[row] = missing(self._rule, "is null")
        return self._reader.read(cells, failures)
