"""Labels that came later: JSON objects to ids, labels and times."""

from typing import Annotated, Any

import msgspec
import numpy as np

from streamapp.config.settings import OutcomeSettings
from streamapp.decode.columns import by_field
from streamapp.decode.diagnose import Raws, fields_of
from streamapp.decode.failures import failure, shortened
from streamapp.decode.times import to_ms
from streamapp.decode.typed import timestamp_type
from streamapp.errors import SchemaError
from streamapp.types import Failure, Float64, Int64, OutcomeBatch, RecordBatch

_TIME_UNIT = "ms"
_Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Id = Annotated[str, msgspec.Meta(min_length=1)] | _Int
_NUMBER_STARTS = frozenset(b"-0123456789")


class JsonOutcomeDecoder:
    """An `OutcomeDecoder` for one JSON object per record: an id, a label and perhaps a time."""

    def __init__(self, settings: OutcomeSettings) -> None:
        self._binary = settings.task == "binary_classification"
        label: Any = bool | _Int | float if self._binary else _Int | float
        types: dict[str, Any] = {settings.id: _Id, settings.label: label}
        if settings.time is not None:
            types[settings.time] = timestamp_type(_TIME_UNIT)
        if len(types) != 2 + (settings.time is not None):
            raise SchemaError("outcomes: id, label and time must be different fields; rename one")
        self._names = tuple(types)
        attributes = [(f"f{i}", type_) for i, type_ in enumerate(types.values())]
        names = {f"f{i}": name for i, name in enumerate(types)}
        self._type = msgspec.defstruct("Outcome", attributes, rename=names, gc=False)
        self._typed = msgspec.json.Decoder(self._type)
        self._fields = tuple(msgspec.json.Decoder(type_) for type_ in types.values())
        self._envelope = msgspec.json.Decoder(Raws)

    def decode(self, records: RecordBatch) -> OutcomeBatch:
        """Decode n records; a bad row becomes a failure with field, rule and value."""
        failures: dict[int, Failure] = {}
        rows = self._typed_rows(records, failures)
        values = by_field(rows, len(self._names))
        labels = self._labels(values[1], failures)
        return OutcomeBatch(list(map(str, values[0])), labels, self._times_ms(records, values), failures)

    def _typed_rows(self, records: RecordBatch, failures: dict[int, Failure]) -> list[msgspec.Struct]:
        decode = self._typed.decode
        filler = self._type(*("", 0, 0)[: len(self._names)])
        rows: list[msgspec.Struct] = []
        for row, value in enumerate(records.values):
            try:
                rows.append(decode(value or b""))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):  # noqa: PERF203 row by row
                rows.append(filler)
                failures[row] = self._explain(value)
        return rows

    def _labels(self, written: tuple[Any, ...], failures: dict[int, Failure]) -> Float64:
        """Labels float64 (n,); of a classification only 0 and 1 are labels."""
        labels = np.array(written, np.float64)
        if self._binary:
            for row in np.flatnonzero((labels != 0) & (labels != 1)).tolist():
                said = failure("not_allowed", "a label is 0 or 1", self._names[1], "allowed", shortened(written[row]))
                failures.setdefault(row, said)
        return labels

    def _times_ms(self, records: RecordBatch, values: list[tuple[Any, ...]]) -> Int64:
        return to_ms(values[2], _TIME_UNIT)[0] if len(self._names) == 3 else records.timestamps_ms

    def _explain(self, value: bytes | None) -> Failure:
        raws = fields_of(self._envelope, value)
        if isinstance(raws, Failure):
            return raws
        for name, decoder in zip(self._names, self._fields, strict=True):
            raw = bytes(raws.get(name, b"null"))
            if raw == b"null":
                return failure("missing", "is null" if name in raws else "is absent", name, "required")
            try:
                decoder.decode(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                return self._say(name, raw, error)
        return failure("duplicate_key", "a field occurs twice, and one of its values is wrong", value=shortened(value))

    def _say(self, name: str, raw: bytes, error: Exception) -> Failure:
        shown = shortened(raw)
        if name == self._names[0] and raw == b'""':
            return failure("empty", "an id cannot be empty", name, "id", shown)
        if name == self._names[1] and raw[0] in _NUMBER_STARTS:
            return failure("out_of_range", str(error), name, "64 bits", shown)
        if len(self._names) == 3 and name == self._names[2] and raw[:1] not in (b"[", b"{", b"t", b"f"):
            return failure("bad_time", "neither ISO 8601 nor ms since the epoch", name, "time", shown)
        return failure("wrong_type", str(error), name, "type", shown)
