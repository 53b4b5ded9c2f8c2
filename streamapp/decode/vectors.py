"""Fixed-length vectors as they are written, into one float32 matrix without a Python object per number.

Every row is parsed by itself and its numbers are counted, so no text can move values into a neighbour's row.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import simdjson

from streamapp.decode.failures import failure, shortened
from streamapp.decode.schema import FieldRule
from streamapp.types import Failure, Float32, Float64

_REFUSED = (ValueError, TypeError, RuntimeError, MemoryError)
_TEXT = msgspec.json.Decoder(str)
_LIST = msgspec.json.Decoder(list[float])
_BASE64 = msgspec.json.Decoder(bytes)


class VectorReader:
    """Reads one declared vector of width k."""

    def __init__(self, rule: FieldRule) -> None:
        self._rule = rule

    def read(self, written: Sequence[bytes | None], failures: dict[int, Failure]) -> Float32:
        """JSON values of n rows as float32 (n, k), NaN where absent.

        Rows in `failures` are passed over; a row that does not hold k finite numbers within bounds is added to it.
        """
        matrix = np.full((len(written), self._rule.width), np.nan, np.float32)
        parser = simdjson.Parser()
        filled = np.zeros(len(written), np.bool_)
        with np.errstate(over="ignore"):
            for row, raw in enumerate(written):
                if raw is None or row in failures:
                    continue
                problem = self._read_row(parser, raw, matrix[row])
                filled[row] = problem is None
                if problem is not None:
                    rule = f"float32[{self._rule.width}]"
                    failures[row] = failure("bad_vector", problem, self._rule.name, rule, shortened(raw))
        self.check(matrix, filled, failures)
        return matrix

    def check(self, matrix: Float32, filled: npt.NDArray[np.bool_], failures: dict[int, Failure]) -> None:
        """Fail the rows of `filled` with a number that is not finite or out of bounds."""
        finite = np.isfinite(matrix)
        for row in np.flatnonzero(filled & ~finite.all(axis=1)).tolist():
            self._fail(row, "bad_vector", "finite", matrix, int(np.argmin(finite[row])), failures)
        for operator, limit in self._rule.bounds.declared:
            breaks = _BREAKS[operator](matrix, np.float32(limit))
            for row in np.flatnonzero(breaks.any(axis=1)).tolist():
                rule = f"{operator}={limit:g}"
                self._fail(row, "out_of_range", rule, matrix, int(np.argmax(breaks[row])), failures)

    def _fail(
        self, row: int, code: str, rule: str, matrix: Float32, element: int, failures: dict[int, Failure]
    ) -> None:
        """Put `row` into `failures` for one of its elements, and clear it."""
        found = f"[{element}]={matrix[row, element]:g}"
        failures[row] = failure(code, f"element {element} breaks {rule}", self._rule.name, rule, found)
        matrix[row] = np.nan

    def _read_row(self, parser: simdjson.Parser, raw: bytes, out: Float32) -> str | None:
        """Fill `out` (k,); the problem where that cannot be."""
        encoding = self._rule.encoding
        is_text = raw[:1] == b'"'
        if not is_text and raw[:1] != b"[":
            return "expected an array or a string"
        if encoding == "auto":
            encoding = "text" if is_text else "array"
        if is_text == (encoding == "array"):
            return f"expected {'an array' if encoding == 'array' else 'a string'}"
        return _fill_base64(raw, out) if encoding == "base64" else _fill_numbers(parser, raw, is_text, out)


_BREAKS = {"ge": np.less, "gt": np.less_equal, "le": np.greater, "lt": np.greater_equal}


def _fill_base64(raw: bytes, out: Float32) -> str | None:
    try:
        packed = _BASE64.decode(raw)
    except (ValueError, msgspec.MsgspecError):
        return "not base64"
    if len(packed) != 4 * out.size:
        return f"{len(packed)} bytes, not {4 * out.size}"
    out[:] = np.frombuffer(packed, "<f4")
    return None


def _fill_numbers(parser: simdjson.Parser, raw: bytes, is_text: bool, out: Float32) -> str | None:
    """Comma-separated JSON numbers, in brackets or in quotes."""
    if is_text:
        if b"\\" in raw:
            try:
                raw = b'"%b"' % _TEXT.decode(raw).encode()
            except (ValueError, msgspec.MsgspecError):
                return "not a string"
        raw = b"[%b]" % raw[1:-1]
    # simdjson flattens nested arrays when it exports a buffer.
    if raw.find(b"[", 1) != -1:
        return "nested arrays"
    try:
        numbers = _numbers(parser, raw)
    except _REFUSED:
        # simdjson refuses whole numbers beyond 64 bits, which JavaScript writes for floats up to 1e21.
        try:
            numbers = np.array(_LIST.decode(raw), np.float64)
        except (ValueError, msgspec.MsgspecError, RecursionError):
            return "not comma-separated numbers"
    if numbers.size != out.size:
        return f"{numbers.size} numbers, not {out.size}"
    out[:] = numbers
    return None


def _numbers(parser: simdjson.Parser, array: bytes) -> Float64:
    """The numbers of a JSON array, float64; one array may be alive per parser."""
    parsed = parser.parse(array)
    if not isinstance(parsed, simdjson.Array):
        raise TypeError("not an array")
    return np.frombuffer(parsed.as_buffer(of_type="d"), np.float64)
