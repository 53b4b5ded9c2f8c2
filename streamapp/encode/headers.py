"""Headers of what is published."""

from collections.abc import Sequence

from streamapp.types import Headers

TRACE = ("traceparent", "tracestate")
"""W3C trace context: passed on from the event to its prediction, once."""


def prediction_headers(inputs: Sequence[Headers], content_type: bytes) -> list[Headers]:
    """Per row the content type and the first of each trace header that its event carried."""
    shared: Headers = (("content-type", content_type),)
    if not any(inputs):
        return [shared] * len(inputs)
    return [_with_trace(shared, headers) if headers else shared for headers in inputs]


def _with_trace(shared: Headers, headers: Headers) -> Headers:
    trace: dict[str, bytes] = {}
    for name, value in headers:
        if name in TRACE:
            trace.setdefault(name, value)
    return (*shared, *trace.items()) if trace else shared
