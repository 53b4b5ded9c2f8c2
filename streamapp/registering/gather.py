"""The files of a model, copied to a folder of our own and hashed on the way: what is tried is what is registered."""

import hashlib
from pathlib import Path

from streamapp.errors import ModelLoadError
from streamapp.infer.artifact import check_file
from streamapp.infer.external_data import check_external_data, locations
from streamapp.infer.torchscript_archive import is_torchscript
from streamapp.models.local import LocalStorage
from streamapp.models.manifest import ModelFile
from streamapp.models.names import check_file_path

_PICKLED = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".skops", ".npy")
_WHY = "a pickle runs code when it is opened; export the model to ONNX, TorchScript or torch.export"
_BLOCK_BYTES = 1 << 20
RUNS_NO_CODE = ("onnx", "torchscript")
"""Runtimes whose loading runs nothing that the file holds, or nothing but arithmetic."""


def check_there(path: Path) -> None:
    """Refuse what is no file. Raises `ModelLoadError`."""
    if not path.is_symlink() and not path.is_file():
        raise ModelLoadError(f"{path}: {'is a folder, name the model file in it' if path.is_dir() else 'no such file'}")


def check_trusted(path: Path, runtime: str, *, trusted: bool) -> None:
    """Refuse, unless trusted, what can run code while it is loaded. Raises `ModelLoadError`."""
    if not trusted and runtime not in RUNS_NO_CODE:
        raise ModelLoadError(
            f"{path}: loading a `{runtime}` model can run code that it holds, and registering loads it; check where "
            "the file comes from, then pass --trust (its SHA-256 is pinned in the manifest)"
        )


def check_no_pickle(path: Path, runtime: str) -> None:
    """Refuse pickles by their ending and by their content; a River model is one, and trusted by then.

    Raises `ModelLoadError`.
    """
    check_file(path)
    if runtime == "river":
        return
    with path.open("rb") as file:
        head = file.read(2)
    if path.suffix.lower() in _PICKLED or (head[:1] == b"\x80" and head[1:] in (b"\x02", b"\x03", b"\x04", b"\x05")):
        raise ModelLoadError(f"{path}: is a pickle; refused: {_WHY}")
    if runtime == "torchscript" and not is_torchscript(path):
        raise ModelLoadError(
            f"{path}: is no TorchScript (torch.jit.save writes code/ and constants.pkl); what torch.save writes is a "
            f"pickle; refused: {_WHY}"
        )


def gather(path: Path, runtime: str, into: Path) -> tuple[ModelFile, ...]:
    """Copy the artefact, and the external data of an ONNX model, into the empty folder `into`; the artefact first.

    Raises `ModelLoadError` for links, pickles and external data elsewhere, `RegistryError` for odd file names.
    """
    check_there(path)
    check_no_pickle(path, runtime)
    names = [path.name]
    if runtime == "onnx":
        check_external_data(path)
        names += sorted(locations(path))
    origin = LocalStorage(path.parent)
    files = tuple(_copy(origin, check_file_path(name), into) for name in names)
    if runtime == "onnx":
        check_external_data(into / path.name)
    return files


def _copy(origin: LocalStorage, name: str, into: Path) -> ModelFile:
    target = into / name
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with origin.open(name) as source, target.open("xb") as copy:
        while block := source.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
            copy.write(block)
    return ModelFile(name, digest.hexdigest(), size)
