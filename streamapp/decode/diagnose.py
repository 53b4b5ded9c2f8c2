"""Why the typed decode refused a JSON record: the slow path, for bad rows only."""

import msgspec

from streamapp.decode.checks import check_value
from streamapp.decode.failures import failure, shortened
from streamapp.decode.schema import NUMBERS, EventSchema, FieldRule
from streamapp.decode.typed import scalar_type
from streamapp.types import Failure

_NULL = b"null"

Raws = dict[str, msgspec.Raw]
Envelope = msgspec.json.Decoder[Raws]


def fields_of(envelope: Envelope, value: bytes | None) -> Raws | Failure:
    """The undecoded fields of a JSON object, or why it is none."""
    if not value:
        return failure("empty", "the record has no value" if value is None else "the value is empty")
    try:
        # The whole syntax first, as the envelope gives up at the first byte of what is no object.
        msgspec.json.decode(value, type=msgspec.Raw)
        return envelope.decode(value)
    except msgspec.ValidationError as error:
        return failure("not_an_object", f"not a JSON object: {error}", rule="object", value=shortened(value))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return failure("not_json", str(error), rule="JSON", value=shortened(value))
    except RecursionError:
        return failure("not_json", "nested too deeply", rule="JSON", value=shortened(value))


class Diagnosis:
    """Finds field, rule and value of a record that the typed decode refused.

    Each field is decoded by itself with the type that it has in the event, so that both paths agree on what is good;
    the words come from `check_value`.
    """

    def __init__(self, schema: EventSchema) -> None:
        self._schema = schema
        self._envelope = msgspec.json.Decoder(Raws)
        self._fields = tuple(
            None if rule.dtype == "vector" else msgspec.json.Decoder(scalar_type(schema, rule)) for rule in schema.rules
        )

    def explain(self, value: bytes | None) -> tuple[Failure, str]:
        """The failure of one refused record, and its id where that can be read, else the empty string."""
        raws = fields_of(self._envelope, value)
        if isinstance(raws, Failure):
            return raws, ""
        found = self._first_bad_field(raws) or failure(
            "duplicate_key", "a field occurs twice, and one of its values breaks the schema", value=shortened(value)
        )
        return found, self._id(raws)

    def _id(self, raws: Raws) -> str:
        i = self._schema.id_field
        if i is None:
            return ""
        raw = bytes(raws.get(self._schema.rules[i].name, _NULL))
        if raw == _NULL or self._bad_scalar(i, self._schema.rules[i], raw) is not None:
            return ""
        return str(msgspec.json.decode(raw))

    def _first_bad_field(self, raws: Raws) -> Failure | None:
        for i, rule in enumerate(self._schema.rules):
            raw = bytes(raws.get(rule.name, _NULL))
            if raw == _NULL:
                if rule.required:
                    return missing(rule, "is null" if rule.name in raws else "is absent")
                continue
            if (found := self._bad_scalar(i, rule, raw)) is not None:
                return found
        return None

    def _bad_scalar(self, i: int, rule: FieldRule, raw: bytes) -> Failure | None:
        decoder = self._fields[i]
        if decoder is None:
            return None
        try:
            decoder.decode(raw)
        except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return self._say(rule, i, raw, error)
        return None

    def _say(self, rule: FieldRule, i: int, raw: bytes, error: Exception) -> Failure:
        shown = shortened(raw)
        try:
            value = msgspec.json.decode(raw)
        except msgspec.ValidationError:
            # The one valid JSON that the untyped decode refuses is a number beyond float64, here or deeper inside.
            code = "out_of_range" if rule.dtype in NUMBERS and raw[:1] not in (b"[", b"{") else "wrong_type"
            return failure(code, str(error), rule.name, f"dtype {rule.dtype}", shown)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as inner:
            return failure("not_json", str(inner), rule.name, "JSON", shown)
        broken = check_value(rule, value, i == self._schema.id_field)
        if broken is None:
            return failure("wrong_type", str(error), rule.name, f"dtype {rule.dtype}", shown)
        return failure(broken.code, broken.message, rule.name, broken.rule, shown)


def missing(rule: FieldRule, how: str) -> Failure:
    """A required field that is absent or null."""
    return failure("missing", how, rule.name, "required")
