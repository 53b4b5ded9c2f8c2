"""A model folder of MLflow, read off its `MLmodel` file; MLflow itself is not needed.

The flavour `onnx` names its file in `data`. The flavour `pytorch` names a folder in `model_data`; `model.pth` in it
is TorchScript if a scripted module was saved, else a pickle.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from streamapp.errors import ModelLoadError
from streamapp.infer.torchscript_archive import is_torchscript
from streamapp.models.local import LocalStorage
from streamapp.models.names import check_file_path
from streamapp.models.storage import Absent
from streamapp.protocols import Signature, TensorSpec
from streamapp.registering.found import Found

MLMODEL = "MLmodel"
_MAX_BYTES = 4 << 20
_PICKLED = ("sklearn", "pytorch", "statsmodels", "pmdarima")
_DTYPES = {"str": "str", "object": "str", "string": "str"}


def find_model(folder: Path, model: str, version: str) -> Found:
    """The one model of an MLflow folder. Raises `ModelLoadError` with the reason why it cannot be imported."""
    content = _read(folder)
    flavors = content.get("flavors")
    if not isinstance(flavors, dict) or not flavors:
        raise ModelLoadError(f"{folder / MLMODEL}: has no flavors")
    onnx, pytorch = flavors.get("onnx"), flavors.get("pytorch")
    if isinstance(onnx, dict):
        name, runtime = _relative(folder, onnx.get("data", "model.onnx")), "onnx"
    elif isinstance(pytorch, dict):
        name, runtime = f"{_relative(folder, pytorch.get('model_data', 'data'))}/model.pth", "torchscript"
        _check_scripted(folder, name)
    else:
        raise ModelLoadError(f"{folder / MLMODEL}: {_why_not(flavors)}")
    _check_inside(folder, name)
    run = content.get("run_id")
    source = f"mlflow run {run}" if isinstance(run, str) and run.isalnum() else "mlflow model"
    said = _signature(content.get("signature"))
    return Found(model, version, folder / name, runtime, source, said, MLMODEL if said else "")


def _read(folder: Path) -> dict[str, Any]:
    try:
        with LocalStorage(folder).open(MLMODEL) as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ModelLoadError(f"{folder / MLMODEL}: larger than 4 MiB")
        parsed = yaml.safe_load(content)
    except Absent:
        raise ModelLoadError(f"{folder / MLMODEL}: no such file") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ModelLoadError(f"{folder / MLMODEL}: is not YAML") from error
    if not isinstance(parsed, dict):
        raise ModelLoadError(f"{folder / MLMODEL}: is not a mapping")
    return parsed


def _relative(folder: Path, path: object) -> str:
    if not isinstance(path, str):
        raise ModelLoadError(f"{folder / MLMODEL}: names no file")
    return check_file_path(path)


def _check_inside(folder: Path, name: str) -> None:
    """The file is there, and no link leads to it."""
    if not LocalStorage(folder).exists(name):
        raise ModelLoadError(f"{folder / name}: no such file, though {MLMODEL} names it")


def _check_scripted(folder: Path, name: str) -> None:
    _check_inside(folder, name)
    if not is_torchscript(folder / name):
        raise ModelLoadError(
            f"{folder / name}: is a pickled module, and a pickle runs code when it is opened; refused. Log a scripted "
            "one (torch.jit.script), or export the model to ONNX"
        )


def _why_not(flavors: dict[str, Any]) -> str:
    names = [str(name) for name in flavors if name != "python_function"]
    told = ", ".join(f"`{name}`" for name in names) or "`python_function`"
    pickled = [name for name in names if name in _PICKLED] or (["python_function"] if not names else [])
    why = (
        "which is stored as a pickle, or as code, that runs when it is opened"
        if pickled
        else "which has no runtime here"
    )
    return f"its flavor is {told}, {why}; refused. Log the model with the onnx flavor instead"


def _signature(signature: object) -> Signature | None:
    """Tensor-based signatures with names on both sides; column-based ones say nothing about tensors."""
    if not isinstance(signature, dict):
        return None
    inputs, outputs = (_specs(signature.get(side)) for side in ("inputs", "outputs"))
    return Signature(inputs, outputs) if inputs else None


def _specs(text: object) -> tuple[TensorSpec, ...]:
    try:
        tensors = json.loads(text) if isinstance(text, str) else []
        return tuple(_spec(tensor) for tensor in tensors)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ()


def _spec(tensor: dict[str, Any]) -> TensorSpec:
    inner = tensor["tensor-spec"]
    shape = tuple(None if size == -1 else int(size) for size in inner["shape"])
    dtype = str(inner["dtype"])
    return TensorSpec(str(tensor["name"]), _DTYPES.get(dtype, dtype), shape)
