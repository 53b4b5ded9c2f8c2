"""Where an ONNX model keeps weights outside its file, read off the protobuf without loading the model.

Field numbers are those of onnx.proto (ONNX IR). Only the fields on the way to a tensor's `external_data` are visited;
weights inside the file are stepped over.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from streamapp.errors import ModelLoadError
from streamapp.infer.artifact import check_file

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_TENSOR_EXTERNAL_DATA = 13
_MESSAGES = {
    "model": {_MODEL_GRAPH: "graph", _MODEL_FUNCTIONS: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {_TENSOR_EXTERNAL_DATA: "entry"},
}
_MAX_DEPTH = 64


class _NotProtobuf(Exception):
    """The bytes are no protobuf message."""


def check_external_data(path: Path) -> None:
    """Refuse a model whose external data is not a plain file in or below its own folder.

    Raises `ModelLoadError`: not an ONNX file, an absolute location, `..`, a link, or a missing file.
    """
    for location in sorted(locations(path)):
        parts = location.replace("\\", "/").split("/")
        if location.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or not location:
            raise ModelLoadError(f"model {path}: external data `{location}` lies outside the model's folder; refused")
        folder = path.parent
        for part in parts[:-1]:
            folder = folder / part
            if folder.is_symlink():
                raise ModelLoadError(f"model {path}: external data `{location}` is reached through a link; refused")
        check_file(path.parent / location, f"external data of {path.name},")


def locations(path: Path) -> set[str]:
    """Every `location` of external tensor data that the model names. Raises `ModelLoadError` if it is not ONNX."""
    try:
        with path.open("rb") as file:
            message = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        if not any(number == _MODEL_GRAPH for number, _ in _fields(message)):
            raise _NotProtobuf
        return set(_locations(message, "model", 0))
    except (_NotProtobuf, ValueError) as error:
        raise ModelLoadError(f"model {path}: not an ONNX model, or a damaged one") from error


def _locations(message: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise _NotProtobuf
    visited = _MESSAGES[kind]
    for number, content in _fields(message):
        inner = visited.get(number)
        if inner is None or content is None:
            continue
        if inner == "entry":
            entry = {n: bytes(c) for n, c in _fields(content) if c is not None}
            if entry.get(1) == b"location":
                yield entry.get(2, b"").decode()
        else:
            yield from _locations(content, inner, depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """(field number, content) of one message; content is None for numbers."""
    position, end = 0, len(message)
    while position < end:
        tag, position = _varint(message, position)
        wire = tag & 7
        content: memoryview | None = None
        if wire == _VARINT:
            _, position = _varint(message, position)
        elif wire == _BYTES:
            length, position = _varint(message, position)
            content = message[position : position + length]
            position += length
        elif wire in (_FIXED64, _FIXED32):
            position += 8 if wire == _FIXED64 else 4
        else:
            raise _NotProtobuf
        if position > end or tag >> 3 == 0:
            raise _NotProtobuf
        yield tag >> 3, content


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise _NotProtobuf
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _NotProtobuf
