"""Values of features as they were at some time in the past, from Feast's offline store."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from feast import FeatureStore, FeatureView
from feast.errors import FeatureViewNotFoundException

from streamapp.config.settings import EventSettings, FeatureSettings
from streamapp.enrich.entities import KeyField, can_be_stored, entity_keys
from streamapp.enrich.feast import describe_view, open_store, translated
from streamapp.enrich.nearest import choices
from streamapp.enrich.plan import key_field
from streamapp.enrich.reader import EntityKey, ViewDescription
from streamapp.errors import ConfigError
from streamapp.types import Column, Float64, Int64

_ROW = "streamapp_row"
_TIME = "event_timestamp"


class HistoricalFeatures:
    """Some features, as `view:feature`, of the entities that events name.

    At most `rows` entities are asked for at once: Feast's file store joins each with its whole history before it picks
    a row, and 5 000 with 2 000 rows of history each took 1.2 GB.
    Raises `ConfigError` for a feature that is not there or no number and for a join key that no event field gives, and
    `FeatureStoreUnavailable`.
    """

    def __init__(
        self,
        settings: FeatureSettings,
        event: EventSettings,
        references: Sequence[str],
        base: Path,
        rows: int,
    ) -> None:
        self._rows = rows
        self._store = open_store(base / settings.repository)
        self._features: dict[str, list[str]] = {}
        self._views: dict[str, ViewDescription] = {}
        for reference in dict.fromkeys(references):
            view, _, feature = reference.partition(":")
            if view not in self._views:
                self._views[view] = _described(self._store, view)
            _check_numeric(self._views[view], feature)
            self._features.setdefault(view, []).append(feature)
        self._fields: dict[str, tuple[KeyField, ...]] = {
            name: tuple(key_field(settings, event, view, key) for key in view.join_keys)
            for name, view in self._views.items()
        }

    @property
    def views(self) -> tuple[str, ...]:
        """The views that the features are of."""
        return tuple(self._views)

    def keys(self, view: str, columns: Mapping[str, Column], rows: Int64) -> list[EntityKey | None]:
        """The entity of each of m rows of events, None where a join key is absent or not of its type."""
        keys = entity_keys(columns, self._fields[view], rows)
        return [key if key is not None and can_be_stored(key) else None for key in keys]

    def read(self, view: str, keys: Sequence[EntityKey], as_of_ms: Int64) -> dict[str, Float64]:
        """`view:feature` -> float64 (n,): of each key the newest value at or before `as_of_ms`, NaN if there is none.

        The view's time to live holds: a value that was older than that is none. Distinct pairs are asked for once.
        Raises `FeatureStoreUnavailable`, and `ConfigError` for what the offline store
        cannot read.
        """
        names = self._features[view]
        places: dict[tuple[EntityKey, int], int] = {}
        pairs = zip(keys, as_of_ms.tolist(), strict=True)
        place = np.array([places.setdefault(pair, len(places)) for pair in pairs], np.int64)
        distinct = list(places)
        values = {name: np.full(len(distinct), np.nan) for name in names}
        for start in range(0, len(distinct), self._rows):
            part = distinct[start : start + self._rows]
            frame = self._ask(view, part)
            at = start + frame[_ROW].to_numpy(np.int64)
            for name in names:
                values[name][at] = pd.to_numeric(frame[name]).to_numpy(np.float64, na_value=np.nan)
        return {f"{view}:{name}": values[name][place] for name in names}

    def _ask(self, view: str, pairs: Sequence[tuple[EntityKey, int]]) -> pd.DataFrame:
        """The rows that Feast has for the pairs; it drops those of which it only has values of other times."""
        names = [key.event_name for key in self._views[view].join_keys]
        parts = [key if isinstance(key, tuple) else (key,) for key, _ in pairs]
        columns: dict[str, Any] = {name: [part[i] for part in parts] for i, name in enumerate(names)}
        columns[_TIME] = pd.to_datetime([ms for _, ms in pairs], unit="ms", utc=True)
        columns[_ROW] = np.arange(len(pairs))
        references = [f"{view}:{name}" for name in self._features[view]]
        where = f"offline store, feature view {view!r}"
        with translated(where), warnings.catch_warnings():
            # Feast's and Dask's own, of every call.
            warnings.simplefilter("ignore")
            try:
                frame: pd.DataFrame = self._store.get_historical_features(pd.DataFrame(columns), references).to_df()
            except FileNotFoundError as error:
                raise ConfigError(f"{where}: its source is not there: {error}") from error
        return frame


def _described(store: FeatureStore, name: str) -> ViewDescription:
    with translated("Feast registry"):
        try:
            view = store.registry.get_any_feature_view(name, store.project, allow_cache=True)
        except FeatureViewNotFoundException as error:
            known = [each.name for each in store.registry.list_feature_views(store.project, allow_cache=True)]
            raise ConfigError(
                f"Feast registry of project {store.project!r} has no feature view {name!r}: {choices(name, known)}"
            ) from error
    if not isinstance(view, FeatureView):
        raise ConfigError(f"feature view {name!r} is a {type(view).__name__}, which has no history; use a feature view")
    found = describe_view(f"feature view {name!r}", view.projection, view)
    if not found.join_keys:
        raise ConfigError(f"feature view {name!r} has no entity: it is the same for every unit and explains nothing")
    return found


def _check_numeric(view: ViewDescription, name: str) -> None:
    found = next((feature for feature in view.features if feature.name == name), None)
    if found is None:
        raise ConfigError(
            f"feature view {view.name!r} has no feature {name!r}: {choices(name, (f.name for f in view.features))}"
        )
    if not found.numeric:
        raise ConfigError(f"feature `{view.name}:{name}` is {found.dtype} in Feast, and a covariate is a number")
