"""Whose fault is it when a model library raises: the input's, the machine's or the model's."""

import re

from streamapp.errors import DependencyError, InferenceError, ModelError, StreamappError

_MESSAGE_CHARS = 200
_OUT_OF_MEMORY = re.compile(
    r"out of memory|bad_?alloc|failed to allocate|can't allocate|cannot allocate|not enough memory|std::bad_array_new"
    r"|ALLOC_FAILED|available memory of \d+ is smaller",
    re.IGNORECASE,
)
_DEVICE_BROKEN = re.compile(
    r"\bCUDA (failure|error|driver)|\bCUDNN(_STATUS| failure| error)|\bCUBLAS(_STATUS| failure| error)|cudaError"
    r"|illegal memory access|device-side assert|\bNCCL error",
    re.IGNORECASE,
)


def shorten(text: str, limit: int = _MESSAGE_CHARS) -> str:
    """`text` on one line, at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def blame(error: Exception) -> StreamappError:
    """What `error`, raised by a model library while scoring, means for the rows of the batch.

    - out of memory (host or GPU): `DependencyError`, the worker pauses and tries the batch again;
    - a broken CUDA context: `ModelError`, the worker stops without acknowledging, since every later call of this
      process would fail too and only a new process helps;
    - anything else: `InferenceError`, the input may be at fault and the batch is bisected.
    """
    if isinstance(error, StreamappError):
        return error
    said = shorten(f"{type(error).__name__}: {error}")
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)):
        return DependencyError(
            f"the model ran out of memory; free some, or lower batching.max_batch_size if this does not pass: {said}"
        )
    if _DEVICE_BROKEN.search(str(error)):
        return ModelError(f"the GPU failed and this process cannot use it any more, start it anew: {said}")
    return InferenceError(said)
