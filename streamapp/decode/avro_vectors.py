"""Vectors of Avro records: arrays read whole, bytes of little-endian float32, or text."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from streamapp.decode.diagnose import missing
from streamapp.decode.failures import failure, shortened
from streamapp.decode.schema import FieldRule
from streamapp.decode.vectors import VectorReader
from streamapp.types import Failure, Float32


class AvroVector:
    """A vector field; `dtype` is that of an array's elements, little-endian."""

    def __init__(self, rule: FieldRule, dtype: np.dtype[Any]) -> None:
        self._rule = rule
        self._dtype = dtype
        self._reader = VectorReader(rule)

    def read(self, written: Sequence[Any], failures: dict[int, Failure]) -> Float32:
        """Packed arrays, lists, bytes or strings to float32 (n, k)."""
        texts = [msgspec.json.encode(value) if isinstance(value, str) else None for value in written]
        matrix = self._reader.read(texts, failures)
        filled = np.zeros(len(written), np.bool_)
        with np.errstate(over="ignore"):
            for row, value in enumerate(written):
                if row not in failures and not isinstance(value, str):
                    filled[row] = self._fill(row, value, matrix[row], failures)
        self._reader.check(matrix, filled, failures)
        return matrix

    def _fill(self, row: int, value: Any, out: Float32, failures: dict[int, Failure]) -> bool:
        """Fill `out` (k,); False where there is nothing or the row fails."""
        if value is None:
            if self._rule.required:
                failures[row] = missing(self._rule, "is null")
            return False
        if isinstance(value, bytes) and len(value) != 4 * out.size:
            said = f"{len(value)} bytes, not {4 * out.size}"
        else:
            numbers = self._numbers(value)
            if numbers.size == out.size:
                out[:] = numbers
                return True
            said = f"{numbers.size} numbers, not {out.size}"
        failures[row] = failure("bad_vector", said, self._rule.name, f"float32[{out.size}]", shortened(value))
        return False

    def _numbers(self, value: Any) -> npt.NDArray[Any]:
        if isinstance(value, dict):
            return np.frombuffer(value["elements"], self._dtype)
        if isinstance(value, bytes):
            return np.frombuffer(value, "<f4")
        return np.array(value, np.float64)
