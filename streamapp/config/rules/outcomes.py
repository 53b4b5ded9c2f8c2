"""What is judged and watched exists in every variant."""

from collections.abc import Iterator

from streamapp.config.problems import suggestion
from streamapp.config.rules.broken import Broken
from streamapp.config.settings import PipelineSettings


def rules(settings: PipelineSettings) -> Iterator[Broken]:
    """The judged score, and the watched features."""
    yield from _score(settings)
    yield from _watched(settings)


def _score(settings: PipelineSettings) -> Iterator[Broken]:
    if settings.outcomes is None:
        return
    score = settings.outcomes.score
    for name, variant in settings.variants.items():
        if score not in variant.outputs:
            yield Broken(
                ("outcomes", "score"),
                f"variant `{name}` has no output `{score}`",
                f"{suggestion(score, variant.outputs)} (all variants must give the judged score)",
            )


def _watched(settings: PipelineSettings) -> Iterator[Broken]:
    known = set(settings.event.fields)
    for variant in settings.variants.values():
        for source in variant.inputs.values():
            known |= {source} if isinstance(source, str) else set(source)
    for i, feature in enumerate(settings.drift.features or ()):
        if feature not in known:
            remedy = suggestion(feature, known)
            yield Broken(("drift", "features", i), f"`{feature}` is neither an event field nor a model input", remedy)
