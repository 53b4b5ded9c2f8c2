"""The Feast side: what variants ask for is configured, and nothing is configured that nobody reads."""

from collections.abc import Iterator

from streamapp.config.problems import suggestion
from streamapp.config.rules.broken import Broken
from streamapp.config.settings import FeatureSettings, PipelineSettings


def rules(settings: PipelineSettings) -> Iterator[Broken]:
    """A features section where one is needed; views, defaults and entities that exist."""
    features = settings.features
    if features is None:
        yield from _needed(settings)
        return
    read = _read_by_view(settings)
    yield from _views(features, read)
    for key, name in features.entities.items():
        if name not in settings.event.fields:
            remedy = suggestion(name, settings.event.fields)
            yield Broken(("features", "entities", key), f"`{name}` is not a declared event field", remedy)
    if features.unavailable.retry_max_s < features.unavailable.retry_initial_s:
        yield Broken(
            ("features", "unavailable", "retry_max_s"), "is less than retry_initial_s", "make it the longer of the two"
        )


def _needed(settings: PipelineSettings) -> Iterator[Broken]:
    for name, variant in settings.variants.items():
        if variant.feature_service is not None:
            yield Broken(
                ("variants", name, "feature_service"),
                "there is no `features` section",
                "add `features:` with `repository:`, the folder of feature_store.yaml",
            )


def _views(features: FeatureSettings, read: dict[str, set[str]]) -> Iterator[Broken]:
    for view, contract in features.views.items():
        path = ("features", "views", view)
        if view not in read:
            yield Broken(path, "no variant reads this view", suggestion(view, read, "remove it"))
            continue
        for feature in contract.defaults:
            if feature not in read[view]:
                at = (*path, "defaults", feature)
                yield Broken(at, f"no variant reads `{view}:{feature}`", suggestion(feature, read[view]))


def _read_by_view(settings: PipelineSettings) -> dict[str, set[str]]:
    read: dict[str, set[str]] = {}
    for variant in settings.variants.values():
        for source in variant.inputs.values():
            for column in source if not isinstance(source, str) else ():
                view, colon, feature = column.partition(":")
                if colon:
                    read.setdefault(view, set()).add(feature)
    return read
