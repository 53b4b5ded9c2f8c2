import pytest

from streamapp.errors import DependencyError, InferenceError, ModelError
from streamapp.infer.faults import blame, shorten


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 4096"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED"),
    ],
)
def test_out_of_memory_is_a_dependency(error: Exception):
    found = blame(error)
    assert type(found) is DependencyError
    assert "max_batch_size" in str(found)


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: device-side assert triggered",
        "CUDA failure 700: an illegal memory access was encountered ; GPU=0",
        "CUDNN failure 8: CUDNN_STATUS_EXECUTION_FAILED",
    ],
)
def test_a_broken_device_stops_the_worker(text: str):
    assert type(blame(RuntimeError(text))) is ModelError


def test_anything_else_may_be_the_input():
    found = blame(ValueError("indices element out of data bounds,\n idx=9"))
    assert type(found) is InferenceError
    assert str(found) == "ValueError: indices element out of data bounds, idx=9"


def test_our_own_error_is_kept():
    error = ModelError("x")
    assert blame(error) is error


def test_shortened_to_one_line():
    assert shorten("a\n  b") == "a b"
    assert len(shorten("x" * 1000)) == 200
