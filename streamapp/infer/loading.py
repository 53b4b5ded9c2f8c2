"""From a model's settings to a runtime: entry points of group `streamapp.runtimes`."""

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from streamapp.config.settings import ModelSettings, TensorSettings, VariantSettings
from streamapp.errors import ModelLoadError
from streamapp.infer.artifact import check_digest, check_file
from streamapp.infer.rows import free_rows
from streamapp.protocols import Runtime, RuntimeLoader, RuntimeOptions, Signature, TensorSpec

GROUP = "streamapp.runtimes"
_BY_ENDING = {".onnx": "onnx", ".pt": "torchscript", ".pt2": "torch_export", ".river": "river"}


def load_runtime(variant: VariantSettings, base: Path, signature: Signature | None = None) -> Runtime:
    """Load a variant's model; paths are relative to `base`. The row axis of what comes back is free.

    signature: for formats that carry none, instead of the one that the variant declares. Raises `ModelLoadError`,
    `ContractError`.
    """
    return load_model(variant.model, signature or _declared_signature(variant), base)


def load_model(model: ModelSettings, declared: Signature | None, base: Path) -> Runtime:
    """As `load_runtime`; declared: the signature, for formats that carry none."""
    path = base / model.path
    loader = _loader(_entry_point(model))
    check_file(path)
    if model.sha256:
        check_digest(path, model.sha256)
    options = RuntimeOptions(model.device, model.threads, declared, model.sha256)
    return free_rows(loader(path, options))


def runtime_of(path: Path) -> str | None:
    """The runtime that a file's ending stands for."""
    return _BY_ENDING.get(path.suffix)


def _entry_point(model: ModelSettings) -> EntryPoint:
    name = model.runtime or runtime_of(model.path)
    installed = {point.name: point for point in entry_points(group=GROUP)}
    listing = ", ".join(sorted(installed)) or "none, not even our own: is streamapp installed (pip install -e .)?"
    if name is None:
        endings = ", ".join(_BY_ENDING)
        raise ModelLoadError(
            f"model {model.path}: the ending `{model.path.suffix}` is not one of {endings}; set `model.runtime` "
            f"(installed: {listing})"
        )
    if name not in installed:
        raise ModelLoadError(f"model {model.path}: no runtime `{name}`; installed: {listing}")
    return installed[name]


def _loader(point: EntryPoint) -> RuntimeLoader:
    try:
        loader: RuntimeLoader = point.load()
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        remedy = "pip install 'streamapp[torch]'" if missing == "torch" else "install it beside streamapp"
        raise ModelLoadError(f"runtime `{point.name}` needs `{missing or point.value}`: {remedy}") from error
    return loader


def _declared_signature(variant: VariantSettings) -> Signature | None:
    if variant.signature_inputs is None and variant.signature_outputs is None:
        return None
    return Signature(_specs(variant.signature_inputs), _specs(variant.signature_outputs))


def _specs(tensors: dict[str, TensorSettings] | None) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name, tensor.dtype, tensor.shape) for name, tensor in (tensors or {}).items())
