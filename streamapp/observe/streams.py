"""Which numbers of a variant are watched for drift, and how they are read off a scored batch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streamapp.config.settings import FieldSettings, PipelineSettings, VariantSettings
from streamapp.errors import ConfigError
from streamapp.types import Float64, Int64, ScoredBatch

_NUMERIC = frozenset({"bool", "int32", "int64", "float32", "float64"})
SCORE_PREFIX = "score:"


@dataclass(frozen=True, slots=True)
class Streams:
    """The watched numbers of one variant, in this order: `view:feature` names, event fields, scores."""

    features: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """As they appear in signals; a score as `score:<name>`."""
        return (*self.features, *self.fields, *(SCORE_PREFIX + score for score in self.scores))

    def __len__(self) -> int:
        return len(self.features) + len(self.fields) + len(self.scores)


def streams_of(settings: PipelineSettings) -> tuple[Streams, ...]:
    """The streams of each variant, in the order of `settings.variants`.

    Features and fields: the numeric inputs of the variant's model, or those of `drift.features` that apply
    to it (event fields apply to every variant). Scores: the judged one if outcomes are configured and the
    variant has it, else all. Raises `ConfigError` for a name in `drift.features` that is nowhere to be found.
    """
    asked = settings.drift.features
    per_variant = tuple(_of_variant(variant, settings) for variant in settings.variants.values())
    found = {name for streams in per_variant for name in (*streams.features, *streams.fields)}
    for name in asked or ():
        if name not in found:
            raise ConfigError(
                f"drift.features: {name!r} is neither a numeric event field nor a `view:feature` input of any variant"
            )
    return per_variant


def read_rows(scored: ScoredBatch, variant: int, streams: Streams) -> tuple[Float64, Int64]:
    """What variant number `variant` saw in the m rows it scored, in row order.

    Returns float64 (m, len(streams)), columns in the order of `streams.names`, NaN where a value is missing,
    and int64 (m,) event times in ms since the epoch.
    """
    block, score = scored.features[variant], scored.scores[variant]
    rows = score.rows
    values = np.empty((len(rows), len(streams)))
    column = len(streams.features)
    if column:
        have = {name: j for j, name in enumerate(block.names)}
        chosen = [have[name] for name in streams.features]
        kept = block.values if len(block.rows) == len(rows) else block.values[np.searchsorted(block.rows, rows)]
        values[:, :column] = kept[:, chosen]
    for name in streams.fields:
        values[:, column] = np.asarray(scored.events.columns[name])[rows]
        column += 1
    for name in streams.scores:
        values[:, column] = score.values[:, score.names.index(name)]
        column += 1
    return values, scored.events.event_times_ms[rows]


def _of_variant(variant: VariantSettings, settings: PipelineSettings) -> Streams:
    inputs = dict.fromkeys(_inputs(variant))
    features = [name for name in inputs if ":" in name]
    asked = settings.drift.features
    if asked is None:
        fields = [name for name in inputs if _is_numeric(settings.event.fields, name)]
    else:
        features = [name for name in features if name in asked]
        fields = [name for name in dict.fromkeys(asked) if _can_watch(settings.event.fields, name)]
    judged = settings.outcomes.score if settings.outcomes else None
    scores = (judged,) if judged in variant.outputs else tuple(variant.outputs)
    return Streams(tuple(features), tuple(fields), tuple(s for s in scores if s is not None))


def _inputs(variant: VariantSettings) -> list[str]:
    names: list[str] = []
    for columns in variant.inputs.values():
        names.extend([columns] if isinstance(columns, str) else columns)
    return names


def _is_numeric(fields: Mapping[str, FieldSettings], name: str) -> bool:
    return name in fields and fields[name].dtype in _NUMERIC


def _can_watch(fields: Mapping[str, FieldSettings], name: str) -> bool:
    # The codes of a category have no order, so it is watched only where someone asks for it by name.
    return _is_numeric(fields, name) or (name in fields and fields[name].dtype == "category")
