"""A model repository in Triton's layout: `<repository>/<model>/<version>/model.onnx | model.pt | model.pt2`.

`<model>/config.pbtxt`, where there is one, gives the file's name, and names, dtypes and shapes to compare with the
model's own. dims leave the rows out where `max_batch_size` is at least 1.
"""

from collections.abc import Iterator
from pathlib import Path

from streamapp.errors import ModelLoadError, StreamappError
from streamapp.infer.loading import runtime_of
from streamapp.models.local import LocalStorage
from streamapp.models.names import check_file_path, check_name
from streamapp.models.storage import Absent
from streamapp.protocols import Signature, TensorSpec
from streamapp.registering import pbtxt
from streamapp.registering.found import Found, Refused

CONFIG = "config.pbtxt"
_MAX_BYTES = 1 << 20
_FILES = ("model.onnx", "model.pt", "model.pt2")
_DTYPES = {
    "TYPE_BOOL": "bool",
    "TYPE_STRING": "str",
    **{f"TYPE_FP{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"TYPE_{kind}{bits}": f"{kind.lower()}{bits}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)},
}
_SERVED = ("onnxruntime", "onnxruntime_onnx", "pytorch", "pytorch_libtorch")


def is_repository(folder: Path) -> bool:
    """A model's folder, or a folder of them."""
    return _is_model(folder) or any(_is_model(folder / name) for name in LocalStorage(folder).folders(""))


def find_models(folder: Path) -> Iterator[Found | Refused]:
    """Every version in a repository, or in one model's folder, in the order of names and numbers."""
    if _is_model(folder):
        yield from _versions(LocalStorage(folder.parent), folder.parent, folder.name)
        return
    storage = LocalStorage(folder)
    linked = sorted(entry.name for entry in folder.iterdir() if entry.is_symlink())
    yield from (Refused(name, "", f"{folder / name}: is a symbolic link; links are refused") for name in linked)
    for name in storage.folders(""):
        yield from _versions(storage, folder, name)


def _is_model(folder: Path) -> bool:
    storage = LocalStorage(folder)
    return CONFIG in storage.files("") or any(name.isdigit() for name in storage.folders(""))


def _versions(storage: LocalStorage, root: Path, model: str) -> Iterator[Found | Refused]:
    try:
        check_name(model, "model")
        config = _config(storage, f"{model}/{CONFIG}", root)
        reason = _not_served(config)
        said = _signature(config, f"{root / model / CONFIG}")
    except StreamappError as error:
        yield Refused(model, "", str(error))
        return
    numbers = sorted((name for name in storage.folders(model) if name.isdigit()), key=int)
    if reason or not numbers:
        yield Refused(model, "", reason or "has no version: no folder that is called by a number")
        return
    for number in numbers:
        yield _version(storage, root, model, number, config, said)


def _version(
    storage: LocalStorage, root: Path, model: str, number: str, config: pbtxt.Message, said: Signature | None
) -> Found | Refused:
    try:
        path, runtime = _artefact(storage, root, f"{model}/{number}", _text(config, "default_model_filename"))
    except StreamappError as error:
        return Refused(model, number, str(error))
    where = f"{model}/{CONFIG}" if said else ""
    return Found(model, number, path, runtime, f"repository {model}/{number}", said, where)


def _config(storage: LocalStorage, path: str, root: Path) -> pbtxt.Message:
    try:
        with storage.open(path) as file:
            content = file.read(_MAX_BYTES + 1)
    except Absent:
        return {}
    try:
        if len(content) > _MAX_BYTES:
            raise ValueError("larger than 1 MiB")
        return pbtxt.parse(content.decode())
    except ValueError as error:
        raise ModelLoadError(f"{root / path}: {error}") from error


def _not_served(config: pbtxt.Message) -> str:
    backend = _text(config, "backend") or _text(config, "platform")
    if backend == "python":
        return "its backend is Python code, which an import does not run; export the model to ONNX or TorchScript"
    if backend == "ensemble" or "ensemble_scheduling" in config:
        return "is an ensemble, which is a graph of models; import the models it is made of"
    if backend and backend not in _SERVED:
        return f"its backend `{backend}` has no runtime here; export the model to ONNX or TorchScript"
    return ""


def _artefact(storage: LocalStorage, root: Path, folder: str, named: str) -> tuple[Path, str]:
    """The model file of a version and its runtime. Raises `ModelLoadError`."""
    for name in (check_file_path(named),) if named else _FILES:
        runtime = runtime_of(Path(name))
        if runtime is None:
            raise ModelLoadError(f"its file `{name}` is neither .onnx nor .pt nor .pt2")
        if name in storage.files(folder):
            return root / folder / name, runtime
        if name in storage.folders(folder) and name in storage.files(f"{folder}/{name}"):
            # A model with its weights beside it is a folder of the same name.
            return root / folder / name / name, runtime
    files = storage.files(folder)
    if "model.py" in files:
        raise ModelLoadError(
            "is Python code (model.py), which an import does not run; export the model to ONNX or TorchScript"
        )
    links = sorted(path.name for path in (root / folder).iterdir() if path.is_symlink())
    if links:
        raise ModelLoadError(f"`{links[0]}` is a symbolic link; links are refused, copy the file")
    raise ModelLoadError(
        f"has no {named or 'model.onnx, model.pt or model.pt2'}; it holds {', '.join(files) or 'no file'}"
    )


def _signature(config: pbtxt.Message, where: str) -> Signature | None:
    batched = any(isinstance(size, int) and size > 0 for size in config.get("max_batch_size", ()))
    inputs = tuple(_spec(tensor, where, batched=batched) for tensor in config.get("input", ()))
    outputs = tuple(_spec(tensor, where, batched=batched) for tensor in config.get("output", ()))
    return Signature(inputs, outputs) if inputs or outputs else None


def _spec(tensor: pbtxt.Value, where: str, *, batched: bool) -> TensorSpec:
    if not isinstance(tensor, dict):
        raise ModelLoadError(f"{where}: an input or output is a message, not {tensor!r}")
    name, kind = _text(tensor, "name"), _text(tensor, "data_type")
    if not name or kind not in _DTYPES:
        raise ModelLoadError(f"{where}: tensor `{name}` has data_type `{kind}`; one of {', '.join(_DTYPES)} is needed")
    reshape = tensor.get("reshape", [None])[-1] if tensor.get("reshape") else None
    dims = reshape.get("shape", []) if isinstance(reshape, dict) else tensor.get("dims", [])
    sizes = [None if size == -1 else size for size in dims]
    if not all(size is None or isinstance(size, int) for size in sizes):
        raise ModelLoadError(f"{where}: tensor `{name}`: dims are whole numbers, not {dims}")
    shape = tuple(size if isinstance(size, int) else None for size in sizes)
    return TensorSpec(name, _DTYPES[kind], (None, *shape) if batched else shape)


def _text(message: pbtxt.Message, field: str) -> str:
    value = message.get(field, [""])[-1]
    return value if isinstance(value, str) else ""
