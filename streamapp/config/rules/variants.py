"""Model variants: somebody answers, and every input names something that exists."""

from collections.abc import Iterator

from streamapp.config.problems import Path, suggestion
from streamapp.config.rules.broken import Broken
from streamapp.config.settings import BatchingSettings, PipelineSettings, VariantSettings


def rules(settings: PipelineSettings) -> Iterator[Broken]:
    """Weights, then each variant, then what batches them."""
    if not any(variant.weight for variant in settings.variants.values()):
        yield Broken(("variants",), "no variant has a weight, so nobody answers", "give one variant `weight: 1`")
    for name, variant in settings.variants.items():
        path = ("variants", name)
        yield from _inputs(path, variant, settings)
        yield from _signature(path, variant)
    yield from _batching(settings.batching)
    yield from _deadline(settings)


def _inputs(path: Path, variant: VariantSettings, settings: PipelineSettings) -> Iterator[Broken]:
    if not variant.inputs:
        yield Broken((*path, "inputs"), "must not be empty", "name what the model takes")
    for tensor, source in variant.inputs.items():
        at = (*path, "inputs", tensor)
        if isinstance(source, str):
            yield from _column(at, source, variant, settings)
            continue
        if not source:
            yield Broken(at, "must not be empty", "list event fields or `view:feature` names")
        for i, column in enumerate(source):
            yield from _column((*at, i), column, variant, settings)


def _column(at: Path, column: str, variant: VariantSettings, settings: PipelineSettings) -> Iterator[Broken]:
    fields = settings.event.fields
    if column in fields:
        return
    if ":" not in column:
        remedy = suggestion(column, fields)
        yield Broken(at, f"`{column}` is not a declared event field", f"{remedy} (a feature is written `view:feature`)")
    elif variant.feature_service is None:
        yield Broken(at, f"`{column}` is a feature, but the variant has no feature_service", "add `feature_service:`")
    elif not all(column.split(":", 1)):
        yield Broken(at, f"`{column}` is not a feature name", "write `view:feature`")


def _signature(path: Path, variant: VariantSettings) -> Iterator[Broken]:
    declared, outputs = variant.signature_inputs, variant.signature_outputs
    if (declared is None) != (outputs is None):
        there, absent = ("inputs", "outputs") if outputs is None else ("outputs", "inputs")
        yield Broken((*path, f"signature_{there}"), f"needs signature_{absent} too", f"add `signature_{absent}:`")
    for name in variant.inputs:
        if declared is not None and name not in declared:
            yield Broken((*path, "inputs", name), "is not in signature_inputs", suggestion(name, declared))
    for score, output in variant.outputs.items():
        if outputs is not None and output.tensor not in outputs:
            at = (*path, "outputs", score, "tensor")
            yield Broken(at, f"`{output.tensor}` is not in signature_outputs", suggestion(output.tensor, outputs))


def _batching(batching: BatchingSettings) -> Iterator[Broken]:
    if batching.max_queue_size < batching.max_batch_size:
        yield Broken(
            ("batching", "max_queue_size"),
            f"{batching.max_queue_size} rows cannot hold one batch of {batching.max_batch_size}",
            "make it a few times max_batch_size",
        )


def _deadline(settings: PipelineSettings) -> Iterator[Broken]:
    batching = settings.batching
    fallback, scores = batching.late_policy == "fallback", batching.fallback_scores
    if batching.deadline_ms is None:
        for key in ("deadline_from", "late_policy", "fallback_scores"):
            if key in batching.model_fields_set:
                yield Broken(("batching", key), "has no effect without a deadline", "add `deadline_ms:`, or remove it")
        return
    if scores and not fallback:
        at = ("batching", "fallback_scores")
        yield Broken(at, f"has no effect with late_policy {batching.late_policy}", "set `late_policy: fallback`")
    answering = {name: v for name, v in settings.variants.items() if v.weight or settings.control is not None}
    for name, variant in answering.items() if fallback else ():
        for score in sorted(variant.outputs.keys() - scores.keys()):
            said = f"variant `{name}` {'answers' if variant.weight else 'may answer'} `{score}`, which has no fallback"
            yield Broken(("batching", "fallback_scores"), said, f"add `{score}: <number>`")
    known = {score for variant in settings.variants.values() for score in variant.outputs}
    for score in scores:
        if score not in known:
            at_score = ("batching", "fallback_scores", score)
            yield Broken(at_score, f"no variant has an output `{score}`", suggestion(score, known))
