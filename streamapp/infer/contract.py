"""Does the pipeline give what the model takes, and find what it is asked for? Both shown side by side if not."""

from collections.abc import Sequence

from streamapp.config.settings import EventSettings, OutputSettings, VariantSettings
from streamapp.errors import ContractError
from streamapp.infer.sources import Offer
from streamapp.protocols import Signature, TensorSpec

_Row = tuple[str, str, str]
_TITLES: _Row = ("model", "pipeline", "problem")


def check_contract(
    name: str, variant: VariantSettings, signature: Signature, event: EventSettings, feature_names: Sequence[str]
) -> None:
    """Raise `ContractError`, with a table of both sides, if variant `name` cannot be scored by this model.

    feature_names: what the variant's feature service gives, as `view:feature`; empty without one.
    """
    inputs = _input_rows(variant, signature, event, feature_names)
    outputs = _output_rows(variant, signature)
    problems = sum(1 for row in inputs + outputs if row[2])
    if problems:
        rows = [("inputs", "", ""), *inputs, ("outputs", "", ""), *outputs]
        raise ContractError(
            f"variant `{name}`: model `{variant.model.name}` and the pipeline do not match "
            f"({problems} problem{'s' if problems > 1 else ''})\n{_table(rows)}"
        )


def _input_rows(
    variant: VariantSettings, signature: Signature, event: EventSettings, feature_names: Sequence[str]
) -> list[_Row]:
    offer = Offer(event, feature_names)
    rows: list[_Row] = []
    for spec in signature.inputs:
        wanted = variant.inputs.get(spec.name)
        if wanted is None:
            rows.append((_shape_text(spec), "-", "nothing given: add it to `inputs`"))
        else:
            supply = offer.supply(spec, wanted)
            rows.append((_shape_text(spec), supply.text, supply.problem))
    known = {spec.name for spec in signature.inputs}
    rows += [("-", name, "the model has no such input") for name in variant.inputs if name not in known]
    return rows


def _output_rows(variant: VariantSettings, signature: Signature) -> list[_Row]:
    specs = {spec.name: spec for spec in signature.outputs}
    rows: list[_Row] = []
    for score, output in variant.outputs.items():
        spec = specs.get(output.tensor)
        asked = f"{score}: {output.tensor}, column {output.column}"
        if spec is None:
            rows.append(("-", asked, "the model has no such output"))
        else:
            rows.append((_shape_text(spec), asked, _output_problem(spec, output)))
    used = {output.tensor for output in variant.outputs.values()}
    rows += [(_shape_text(spec), "-", "") for spec in signature.outputs if spec.name not in used]
    return rows


def _output_problem(spec: TensorSpec, output: OutputSettings) -> str:
    if spec.dtype == "str":
        return "a score is a number, this output is text"
    if len(spec.shape) > 2:
        return "a score is one number per row, this output has more than two axes"
    width = spec.shape[1] if len(spec.shape) == 2 else (1 if len(spec.shape) == 1 else None)
    return f"the output has {width} column{'s' if width > 1 else ''}" if width and output.column >= width else ""


def _shape_text(spec: TensorSpec) -> str:
    dims = ["rows" if i == 0 and dim is None else "?" if dim is None else str(dim) for i, dim in enumerate(spec.shape)]
    return f"{spec.name}: {spec.dtype}[{', '.join(dims)}]"


def _table(rows: Sequence[_Row]) -> str:
    lines = [_TITLES, *rows]
    left, right = (max(len(line[i]) for line in lines) for i in (0, 1))
    rendered = [f"  {a:<{left}} | {b:<{right}} | {c}".rstrip(" |") for a, b, c in lines]
    return "\n".join([rendered[0], f"  {'-' * left}-+-{'-' * right}-+-{'-' * len('problem')}", *rendered[1:]])
