"""Each variant's model: it loads, fits what the pipeline gives it, and scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from streamapp.check.finding import Finding, attempt, error, warning
from streamapp.config.settings import EventSettings, PipelineSettings, VariantSettings
from streamapp.errors import ModelError
from streamapp.infer import build_inferrer, check_contract
from streamapp.infer.loading import load_runtime
from streamapp.protocols import Signature, TensorSpec


def check_models(settings: PipelineSettings, base: Path, given: Mapping[str, Sequence[str]]) -> list[Finding]:
    """One finding per variant, and a warning for one that nobody asks.

    given: variant -> the features its service gives, as `view:feature`; without an entry the variant's own `inputs`
    are believed.
    """
    findings = []
    for name, variant in settings.variants.items():
        findings.append(_check_model(name, variant, settings.event, base, given.get(name)))
        if not variant.weight and not variant.shadow:
            findings.append(
                warning(f"variant {name}", "has neither weight nor shadow, so it scores nothing", "give it one")
            )
    return findings


def _check_model(
    name: str, variant: VariantSettings, event: EventSettings, base: Path, features: Sequence[str] | None
) -> Finding:
    subject = f"model {name}"
    path = base / variant.model.path
    if not path.exists():
        return error(
            subject,
            f"{path}: no such file",
            "train or export the model to this path (the starter: python train_example.py), or correct `model.path`",
        )

    def compare() -> str:
        runtime = load_runtime(variant, base)
        try:
            if features is not None:
                check_contract(name, variant, runtime.signature, event, features)
            said = _said(variant, runtime.signature)
        finally:
            runtime.close()
        try:
            build_inferrer({name: variant}, event, base).close()
        except ModelError as raised:
            raise type(raised)(str(raised).removeprefix(f"variant `{name}`: ")) from raised
        return said

    return attempt(subject, compare)


def _said(variant: VariantSettings, signature: Signature) -> str:
    taken = ", ".join(map(_tensor, signature.inputs))
    given = ", ".join(f"{name} = {output.tensor}[{output.column}]" for name, output in variant.outputs.items())
    return f"{variant.model.name} {variant.model.version}: {taken} -> {given}"


def _tensor(spec: TensorSpec) -> str:
    axes = ", ".join("rows" if i == 0 else "?" if size is None else str(size) for i, size in enumerate(spec.shape))
    return f"{spec.name} {spec.dtype}[{axes}]"
