"""ONNX models through ONNX Runtime."""

from collections.abc import Mapping
from pathlib import Path

import onnxruntime as ort

from streamapp.errors import ContractError, ModelLoadError
from streamapp.infer.artifact import check_file
from streamapp.infer.external_data import check_external_data
from streamapp.infer.faults import blame, shorten
from streamapp.protocols import Runtime, RuntimeOptions, Signature, TensorSpec
from streamapp.types import Array

_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_DTYPES = {
    "float16": "float16",
    "float": "float32",
    "double": "float64",
    "bool": "bool",
    "string": "str",
    **{name: name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
}


def load(path: Path, options: RuntimeOptions) -> Runtime:
    """A session on CPU or GPU. device `auto` takes CUDA where this onnxruntime has it.

    Raises `ModelLoadError` for a file that is absent, a link, corrupt, not ONNX, or whose external data lies
    elsewhere; `ContractError` for inputs or outputs that are not tensors.
    """
    check_file(path)
    check_external_data(path)
    device = _device(options.device)
    session = _session(path, options.threads, device)
    signature = Signature(
        tuple(_spec("input", node) for node in session.get_inputs()),
        tuple(_spec("output", node) for node in session.get_outputs()),
    )
    if device is not None and session.get_providers()[0] == _CUDA:
        return CudaSession(session, signature, device)
    if options.device.startswith("cuda"):
        raise ModelLoadError(f"model {path}: device {options.device} was asked for, but CUDA did not start here")
    return CpuSession(session, signature)


class CpuSession:
    """A session whose inputs and outputs are NumPy arrays."""

    def __init__(self, session: ort.InferenceSession, signature: Signature) -> None:
        self._session = session
        self._names = [spec.name for spec in signature.outputs]
        self.signature = signature

    def infer(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Score m rows. Raises `InferenceError`, or what `blame` makes of the error."""
        try:
            outputs = self._session.run(self._names, dict(inputs))
        except Exception as error:
            raise blame(error) from error
        return dict(zip(self._names, outputs, strict=True))

    def close(self) -> None:
        """Let the session go."""
        self._session = None


class CudaSession:
    """A session on a GPU: inputs and outputs are bound, so that each crosses the bus once.

    ONNX Runtime's Python API hands out no page-locked host memory, so copies start from ordinary memory.
    """

    def __init__(self, session: ort.InferenceSession, signature: Signature, device: int) -> None:
        self._session = session
        self._device = device
        self.signature = signature

    def infer(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Score m rows. Raises `InferenceError`, or what `blame` makes of the error."""
        try:
            return self._run(inputs)
        except Exception as error:
            raise blame(error) from error

    def close(self) -> None:
        """Let the session go."""
        self._session = None

    def _run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        binding = self._session.io_binding()
        for name, values in inputs.items():
            if values.dtype == object:
                binding.bind_cpu_input(name, values)
            else:
                binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(values, "cuda", self._device))
        for spec in self.signature.outputs:
            binding.bind_output(spec.name, "cpu")
        binding.synchronize_inputs()
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        names = [spec.name for spec in self.signature.outputs]
        return dict(zip(names, binding.copy_outputs_to_cpu(), strict=True))


def _device(asked: str) -> int | None:
    """The CUDA device to use, None for the CPU."""
    if asked == "cpu":
        return None
    available = _CUDA in ort.get_available_providers()
    if asked == "auto":
        return 0 if available else None
    if not available:
        raise ModelLoadError(
            f"device {asked}: this onnxruntime has no CUDA; pip uninstall onnxruntime, then "
            "pip install 'streamapp[gpu]' (onnxruntime-gpu), or set device: cpu"
        )
    return int(asked.partition(":")[2] or 0)


def _session(path: Path, threads: int, device: int | None) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    cuda = [] if device is None else [(_CUDA, {"device_id": device})]
    if cuda and hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    try:
        return ort.InferenceSession(str(path), options, providers=[*cuda, _CPU])
    except Exception as error:
        raise ModelLoadError(f"model {path}: ONNX Runtime cannot load it: {shorten(str(error))}") from error


def _spec(role: str, node: ort.NodeArg) -> TensorSpec:
    kind: str = node.type
    if kind.startswith("seq(map("):
        raise ContractError(
            f"{role} `{node.name}` is a list of dicts ({kind}), made by ZipMap; export the model without it: "
            "skl2onnx/onnxmltools `options={'zipmap': False}` (LightGBM: `zipmap=False`)"
        )
    element = kind.removeprefix("tensor(").removesuffix(")")
    if not kind.startswith("tensor(") or element not in _DTYPES:
        raise ContractError(f"{role} `{node.name}` is {kind}; only tensors of {', '.join(_DTYPES)} can be served")
    shape = tuple(dim if isinstance(dim, int) else None for dim in node.shape)
    return TensorSpec(node.name, _DTYPES[element], shape)
