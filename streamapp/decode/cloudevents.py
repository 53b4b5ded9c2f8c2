"""CloudEvents 1.0 on Kafka: the value and the attributes that the pipeline asked for.

Binary mode: the value is the data, attributes are headers `ce_…`. Structured mode (header `content-type` begins with
`application/cloudevents+json`): the value is an envelope whose `data` is the event.
Source: CloudEvents Kafka Protocol Binding 1.0.2, sections 3.2 and 3.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from streamapp.decode.failures import failure, shortened
from streamapp.decode.schema import CE_ID, CE_TIME, EventSchema
from streamapp.decode.times import instant_ms
from streamapp.types import Failure, Headers, RecordBatch

_CONTENT_TYPE = "content-type"
_STRUCTURED = b"application/cloudevents+json"
_RULE = "CloudEvents 1.0"


class _Envelope(msgspec.Struct, frozen=True):
    id: str
    time: datetime | None = None
    data: msgspec.Raw = msgspec.Raw(b"")


_ENVELOPE = msgspec.json.Decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of n rows beside their typed fields.

    values: the data. ids and times_ms: `ce_id` and `ce_time` by row, where asked for and present. refused_ids: every
    row that the typed decode refuses -> its id, empty where that cannot be read; filled by the decoder.
    """

    values: list[bytes | None]
    ids: dict[int, str]
    times_ms: dict[int, int]
    refused_ids: dict[int, str] = field(default_factory=dict)


def read_context(records: RecordBatch, schema: EventSchema, failures: dict[int, Failure]) -> Context:
    """Data and attributes of `records`; a row that breaks the specification is put into `failures`."""
    context = Context(records.values, {}, {})
    if any(records.headers):
        structured = _structured(records.headers)
        if structured:
            context = Context(list(records.values), {}, {})
        for row in structured:
            _unwrap(row, context, failures)
        if schema.id_field is None or schema.time_header:
            _read_headers(records, schema, context, failures)
    if schema.id_field is None:
        for row in range(len(records)):
            if row not in context.ids and row not in failures:
                failures[row] = failure("missing", "no such header", CE_ID, _RULE)
    return context


def _structured(all_headers: Sequence[Headers]) -> set[int]:
    """Rows whose value is an envelope. One flat pass, as every traced record has headers."""
    return {
        row
        for row, headers in enumerate(all_headers)
        for name, value in headers
        if name == _CONTENT_TYPE and value and value.startswith(_STRUCTURED)
    }


def _unwrap(row: int, context: Context, failures: dict[int, Failure]) -> None:
    value = context.values[row] or b""
    context.values[row] = None
    try:
        envelope = _ENVELOPE.decode(value)
    except msgspec.ValidationError as error:
        failures[row] = failure("wrong_type", f"not a CloudEvent: {error}", rule=_RULE, value=shortened(value))
        return
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        failures[row] = failure("not_json", str(error), rule=_RULE, value=shortened(value))
        return
    context.values[row] = bytes(envelope.data)
    _take_id(row, envelope.id, context, failures)
    if envelope.time is not None:
        context.times_ms[row] = instant_ms(envelope.time)


def _read_headers(records: RecordBatch, schema: EventSchema, context: Context, failures: dict[int, Failure]) -> None:
    for row, headers in enumerate(records.headers):
        for name, value in headers:
            if name == CE_ID and schema.id_field is None and row not in context.ids:
                _take_id(row, value.decode("utf-8", "replace"), context, failures)
            elif name == CE_TIME and schema.time_header and row not in context.times_ms:
                try:
                    context.times_ms[row] = instant_ms(msgspec.convert(value.decode("utf-8", "replace"), datetime))
                except msgspec.ValidationError:
                    failures[row] = failure("bad_time", "not an ISO 8601 time", CE_TIME, _RULE, shortened(value))


def _take_id(row: int, id_: str, context: Context, failures: dict[int, Failure]) -> None:
    if id_:
        context.ids[row] = id_
    else:
        failures[row] = failure("empty", "an id cannot be empty", CE_ID, "id")
