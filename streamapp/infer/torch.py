"""TorchScript (`.pt`) and torch.export (`.pt2`) models through torch."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.export.passes import move_to_device_pass

from streamapp.errors import ContractError, ModelLoadError
from streamapp.infer.artifact import check_file, read_pinned
from streamapp.infer.faults import blame, shorten
from streamapp.infer.pt2_archive import check_archive
from streamapp.infer.rows import in_chunks
from streamapp.infer.torch_signature import (
    Exported,
    exported_signature,
    fitted_to_forward,
)
from streamapp.infer.torch_transfer import CpuTransfer, CudaTransfer, Transfer
from streamapp.infer.torchscript_archive import OPENS_FILES, check_code, is_torchscript
from streamapp.protocols import Runtime, RuntimeOptions, Signature
from streamapp.types import Array

Call = Callable[[Mapping[str, torch.Tensor]], Any]
_NAMES_A_FILE = re.compile("file|path|dir")


class TorchModel:
    """A torch callable with named inputs and outputs. rows: least and most it takes at once (None: no limit)."""

    def __init__(
        self, call: Call, signature: Signature, transfer: Transfer, rows: tuple[int, int | None] = (1, None)
    ) -> None:
        self._call: Call | None = call
        self._transfer = transfer
        self._rows = rows
        self.signature = signature

    def infer(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Score m rows. Raises `InferenceError`, `ContractError`, or what `blame` makes of the error."""
        least, most = self._rows
        return in_chunks(self._forward, inputs, least, most)

    def close(self) -> None:
        """Let the model go."""
        self._call = None

    def _forward(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        try:
            with torch.inference_mode():
                return self._transfer.run(inputs, self._scored)
        except ContractError:
            raise
        except Exception as error:
            raise blame(error) from error

    def _scored(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if self._call is None:
            raise ContractError("the model is closed")
        return _named(self._call(inputs), [spec.name for spec in self.signature.outputs])


def load_torchscript(path: Path, options: RuntimeOptions) -> Runtime:
    """A TorchScript module. Its format names neither dtypes nor shapes, so the pipeline file declares them;
    inputs are named as the arguments of `forward`, outputs in the order it returns them (or by key, of a dict).

    Raises `ModelLoadError`, `ContractError`.
    """
    check_file(path)
    if options.signature is None or not options.signature.inputs or not options.signature.outputs:
        raise ModelLoadError(
            f"model {path}: TorchScript carries no signature; declare `signature_inputs` and `signature_outputs` "
            "(name: {dtype: float32, shape: [null, 10]})"
        )
    device = _device(options.device)
    _set_threads(options.threads)
    _check_torchscript(path)
    try:
        module = torch.jit.load(str(path), map_location=device).eval()
    except Exception as error:
        raise ModelLoadError(f"model {path}: torch cannot load it: {shorten(str(error))}") from error
    arguments = [(str(arg.name), bool(arg.has_default_value())) for arg in module.forward.schema.arguments[1:]]
    signature = fitted_to_forward(options.signature, arguments)
    return TorchModel(lambda tensors: module(**tensors), signature, _transfer(device))


def _check_torchscript(path: Path) -> None:
    if not is_torchscript(path):
        raise ModelLoadError(
            f"model {path}: not a TorchScript file (saved with torch.jit.save; pickled modules are refused)"
        )
    try:
        check_code(path, OPENS_FILES | _file_operators())
    except ModelLoadError as error:
        raise ModelLoadError(f"model {path}: {error}") from error


@cache
def _file_operators() -> frozenset[str]:
    """Operators of the torch at hand that take the name of a file."""
    return frozenset(
        schema.name.partition("::")[2]
        for schema in torch._C._jit_get_all_schemas()
        if any("str" in str(each.type) and _NAMES_A_FILE.search(each.name) for each in schema.arguments)
    )


def load_exported(path: Path, options: RuntimeOptions) -> Runtime:
    """A `torch.export` program; names, dtypes and shapes are its own, outputs may be renamed by `signature_outputs`.

    Its graph, shape expressions and guards are evaluated as code while loading, so `model.sha256` must pin it.
    Raises `ModelLoadError`, `ContractError`.
    """
    check_file(path)
    content = read_pinned(path, options.sha256, "loading a torch.export archive can run code that it holds")
    device = _device(options.device)
    _set_threads(options.threads)
    try:
        check_archive(content, lambda sample: torch.load(io.BytesIO(sample), weights_only=True))
        program = torch.export.load(io.BytesIO(content))
    except ModelLoadError as error:
        raise ModelLoadError(f"model {path}: {error}") from error
    except Exception as error:
        raise ModelLoadError(f"model {path}: torch cannot load it: {shorten(str(error))}") from error
    exported = exported_signature(program, options.signature)
    if device.type == "cuda" or any(value.is_cuda for value in program.state_dict.values()):
        program = move_to_device_pass(program, str(device))
    module = program.module()
    return TorchModel(_call_exported(module, exported), exported.signature, _transfer(device), exported.rows)


def _call_exported(module: Callable[..., Any], exported: Exported) -> Call:
    positional, by_keyword = exported.positional, exported.by_keyword

    def call(tensors: Mapping[str, torch.Tensor]) -> Any:
        keywords = {key: tensors[name] for key, name in by_keyword.items()}
        return module(*(tensors[name] for name in positional), **keywords)

    return call


def _named(result: Any, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """What forward returned, by output name; a dict by its keys, anything else in order."""
    if isinstance(result, dict) and set(names) <= set(result):
        tensors = [result[name] for name in names]
    else:
        tensors = list(result.values()) if isinstance(result, dict) else [result]
        if isinstance(result, (tuple, list)):
            tensors = list(result)
    if len(tensors) != len(names) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors):
        kinds = ", ".join(type(tensor).__name__ for tensor in tensors)
        raise ContractError(f"the model returned ({kinds}), but its outputs are declared as {', '.join(names)}")
    return dict(zip(names, tensors, strict=True))


def _device(asked: str) -> torch.device:
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(asked)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelLoadError(
            f"device {asked}: this torch ({torch.__version__}) sees {torch.cuda.device_count()} CUDA devices; "
            "install a CUDA build of torch and its driver, or set device: cpu"
        )
    return device


def _transfer(device: torch.device) -> Transfer:
    return CudaTransfer(device) if device.type == "cuda" else CpuTransfer()


def _set_threads(threads: int) -> None:
    """Intra-op threads hold for the whole process: the model loaded last decides. 0 leaves torch's choice."""
    if threads:
        torch.set_num_threads(threads)
