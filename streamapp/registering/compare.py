"""Two versions side by side, and one version in words: (what, value) lines."""

from collections.abc import Sequence
from itertools import zip_longest

from streamapp.models import Manifest
from streamapp.models.manifest import ModelFile
from streamapp.protocols import TensorSpec
from streamapp.registering.tensors import tensor_text

Line = tuple[str, str]


def lines(manifest: Manifest) -> list[Line]:
    """Every field that is set; several values are several lines of the same name."""
    service, training = manifest.feature_service, manifest.training
    told: list[tuple[str, str | None]] = [
        ("model", manifest.model),
        ("version", manifest.version),
        ("registered", f"{manifest.registered_at} by {manifest.registered_by}"),
        ("source", manifest.source),
        ("parent", manifest.parent),
        ("runtime", manifest.runtime),
        ("artefact", manifest.artefact),
        *[("file", _file(file)) for file in manifest.files],
        *_tensors("input", manifest.inputs),
        *_tensors("output", manifest.outputs),
        ("feature service", service.service if service else None),
        ("feature service sha256", service.sha256 if service else None),
        ("training data", training.data),
        ("trained from", training.start),
        ("trained to", training.end),
        ("code version", manifest.code_version),
        *[(f"metric {name}", f"{value:g}") for name, value in sorted(manifest.metrics.items())],
    ]
    return [(name, value) for name, value in told if value is not None]


def differences(a: Manifest, b: Manifest) -> list[tuple[str, str, str]]:
    """(what, in a, in b) for all that differs but the version itself; a metric of both has its change behind it."""
    sides = _by_name(lines(a)), _by_name(lines(b))
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    rows = []
    for name in names:
        left, right = (side.get(name, []) for side in sides)
        if left == right or name == "version":
            continue
        for one, other in zip_longest(left, right, fillvalue="-"):
            if one != other:
                rows.append((name, one, other + _change(name, a, b)))
    return rows


def _change(name: str, a: Manifest, b: Manifest) -> str:
    metric = name.removeprefix("metric ")
    if metric == name or metric not in a.metrics or metric not in b.metrics:
        return ""
    return f" ({b.metrics[metric] - a.metrics[metric]:+g})"


def _by_name(told: Sequence[Line]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in told:
        found.setdefault(name, []).append(value)
    return found


def _tensors(role: str, specs: Sequence[TensorSpec]) -> list[Line]:
    return [(role, tensor_text(spec)) for spec in specs]


def _file(file: ModelFile) -> str:
    return f"{file.path}, {file.bytes} bytes, sha256 {file.sha256}"
