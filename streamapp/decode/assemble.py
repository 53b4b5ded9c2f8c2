"""Typed rows to an `EventBatch`: columns, ids, routing keys and event times."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np

from streamapp.decode.cloudevents import Context
from streamapp.decode.columns import by_field, late_failures, scalar_column
from streamapp.decode.failures import failure, shortened
from streamapp.decode.replayed import first_written_ms
from streamapp.decode.schema import EventSchema, FieldRule
from streamapp.decode.times import SCALES, earliest, fractional_to_ms, latest, whole_to_ms
from streamapp.types import Column, EventBatch, Failure, Float32, Int64, RecordBatch


class VectorColumn(Protocol):
    """Turns what a format gives for a vector field into a matrix."""

    def read(self, written: Sequence[Any], failures: dict[int, Failure]) -> Float32:
        """n values to float32 (n, k), NaN where absent; rows already in `failures` are skipped, bad rows added."""
        ...


@dataclass(frozen=True, slots=True)
class Assembler:
    """Builds the batch. vectors: field index -> reader. late: indices of fields with checks after the typed decode."""

    schema: EventSchema
    vectors: dict[int, VectorColumn]
    late: tuple[int, ...]

    def assemble(
        self, records: RecordBatch, rows: list[msgspec.Struct], context: Context, failures: dict[int, Failure]
    ) -> EventBatch:
        """The batch of n typed rows; `failures` is added to and becomes the batch's."""
        schema = self.schema
        values = by_field(rows, len(schema.rules))
        for i in self.late:
            late_failures(schema.rules[i], values[i], failures)
        columns: dict[str, Column] = {}
        for i, rule in enumerate(schema.rules):
            if rule.dtype == "vector":
                columns[rule.name] = self.vectors[i].read(values[i], failures)
            else:
                columns[rule.name] = scalar_column(rule, values[i])
        times_ms = self._times_ms(records, columns, context, failures)
        ids = self._ids(values, context, len(rows))
        return EventBatch(columns, ids, self._routing_keys(values, ids), times_ms, failures)

    def _ids(self, values: list[tuple[Any, ...]], context: Context, n: int) -> list[str]:
        if self.schema.id_field is None:
            return [context.ids.get(row, "") for row in range(n)]
        ids = _texts(self.schema.rules[self.schema.id_field], values[self.schema.id_field])
        for row, id_ in context.refused_ids.items():
            ids[row] = id_
        return ids

    def _routing_keys(self, values: list[tuple[Any, ...]], ids: list[str]) -> list[str]:
        """The key field as text; the id where an optional key is absent."""
        if self.schema.key_field is None:
            return ids
        rule = self.schema.rules[self.schema.key_field]
        keys = values[self.schema.key_field]
        if rule.required or None not in keys:
            return _texts(rule, keys)
        instead = None if rule.default is None else str(rule.default)
        return [(instead or id_) if key is None else str(key) for key, id_ in zip(keys, ids, strict=True)]

    def _times_ms(
        self, records: RecordBatch, columns: dict[str, Column], context: Context, failures: dict[int, Failure]
    ) -> Int64:
        """Event times; the record's timestamp where the event carries none."""
        if self.schema.time_header:
            times_ms = first_written_ms(records).copy()
            for row, at_ms in context.times_ms.items():
                times_ms[row] = at_ms
            return times_ms
        if self.schema.time_field is None:
            return first_written_ms(records)
        rule = self.schema.rules[self.schema.time_field]
        written = np.asarray(columns[rule.name])
        absent = np.isnan(written) if written.dtype == np.float64 else np.zeros(len(written), np.bool_)
        if rule.dtype == "timestamp":
            if not absent.any():
                return written.astype(np.int64, copy=False)
            return np.where(absent, first_written_ms(records), np.where(absent, 0, written).astype(np.int64))
        return self._numeric_times_ms(rule, written, absent, records, failures)

    def _numeric_times_ms(
        self, rule: FieldRule, written: Any, absent: Any, records: RecordBatch, failures: dict[int, Failure]
    ) -> Int64:
        """A number in the declared unit; what no calendar holds is a failure."""
        unit = rule.unit
        scale = SCALES[unit]
        outside = ~absent & ((written < earliest(scale)) | (written > latest(scale)))
        for row in np.flatnonzero(outside).tolist():
            said = f"not a time within the years 1 to 9999 in {unit}"
            shown = shortened(written[row].item())
            failures.setdefault(row, failure("bad_time", said, rule.name, f"time_unit {unit}", shown))
        usable = np.where(absent | outside, 0, written)
        whole = usable.dtype.kind == "i"
        ms = whole_to_ms(usable.astype(np.int64), unit) if whole else fractional_to_ms(usable, unit)
        return np.where(absent, first_written_ms(records), ms) if absent.any() else ms


def _texts(rule: FieldRule, values: tuple[Any, ...]) -> list[str]:
    return list(values) if rule.dtype == "string" else list(map(str, values))
