"""Which decoder a pipeline's settings ask for."""

from pathlib import Path

from streamapp.config.settings import EventSettings, OutcomeSettings, SourceSettings
from streamapp.decode.json import JsonDecoder
from streamapp.decode.outcomes import JsonOutcomeDecoder
from streamapp.decode.schema import compile_schema
from streamapp.errors import SchemaError
from streamapp.protocols import Decoder, OutcomeDecoder


def build_decoder(source: SourceSettings, event: EventSettings, base: Path) -> Decoder:
    """The decoder of the input topics; `base` is the folder that `source.schema_file` is relative to.

    Raises `SchemaError` where the declarations contradict each other or the Avro schema.
    """
    schema = compile_schema(event)
    if source.format == "json":
        if source.schema_file is not None:
            raise SchemaError(
                "source.schema_file: JSON takes its schema from event.fields; remove it or set format: avro"
            )
        return JsonDecoder(schema)
    if source.schema_file is None:
        raise SchemaError("source.schema_file: format avro needs a schema; name the .avsc file of the values")
    from streamapp.decode.avro import AvroDecoder

    return AvroDecoder(schema, base / source.schema_file)


def build_outcome_decoder(outcomes: OutcomeSettings) -> OutcomeDecoder:
    """The decoder of the label topic."""
    return JsonOutcomeDecoder(outcomes)
