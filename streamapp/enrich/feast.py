"""Feast behind `FeatureReader`: the one place that imports it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from feast import FeatureService, FeatureStore, FeatureView
from feast.errors import FeastError, FeatureServiceNotFoundException
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.feature_view_projection import FeatureViewProjection
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigError

from streamapp.enrich.nearest import choices
from streamapp.enrich.outage import is_outage
from streamapp.enrich.reader import (
    NO_ROW,
    EntityKey,
    FeatureDescription,
    FeatureRows,
    JoinKey,
    ServiceDescription,
    ViewDescription,
)
from streamapp.errors import ConfigError, FeatureStoreUnavailable
from streamapp.types import Float32, Int64

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
_KEY_FIELDS = {"INT32": "int32_val", "INT64": "int64_val", "STRING": "string_val"}
_NUMERIC_TYPES = frozenset({"FLOAT", "DOUBLE", "INT32", "INT64", "BOOL"})
_NUMBERS = frozenset({"float_val", "double_val", "int32_val", "int64_val", "bool_val"})
# SQLite takes 32 766 variables in one statement unless built otherwise.
_KEYS_PER_CALL = 8_192
_NO_VALUE = float("nan")
_value_of: Callable[..., Value] = Value


def open_store(repository: Path) -> FeatureStore:
    """The feature store of a Feast repository. Raises `ConfigError`, `FeatureStoreUnavailable`."""
    if not (repository / "feature_store.yaml").is_file():
        raise ConfigError(f"features.repository: there is no feature_store.yaml in {repository}")
    with translated(f"Feast repository {repository}"):
        store = FeatureStore(repo_path=str(repository))
        # Opening registry and online store here keeps both from the first batch.
        store.registry.list_projects(allow_cache=True)
        _ = store.provider
        return store


def describe_services(store: FeatureStore, names: Sequence[str]) -> Mapping[str, ServiceDescription]:
    """The named feature services. Raises `ConfigError` naming what exists, `FeatureStoreUnavailable`."""
    with translated("Feast registry"):
        return {name: _describe_service(store, name) for name in names}


def _describe_service(store: FeatureStore, name: str) -> ServiceDescription:
    try:
        service: FeatureService = store.registry.get_feature_service(name, store.project, allow_cache=True)
    except FeatureServiceNotFoundException as error:
        known = [s.name for s in store.registry.list_feature_services(store.project, allow_cache=True)]
        hint = choices(name, known) if known else f"it holds none; run `feast apply` in {store.repo_path}"
        raise ConfigError(
            f"Feast registry of project {store.project!r} has no feature service {name!r}: {hint}"
        ) from error
    views: dict[str, ViewDescription] = {}
    for projection in service.feature_view_projections:
        where = f"feature service {name!r}, view {projection.name!r}"
        view = describe_view(where, projection, _stored_view(store, where, projection))
        earlier = views.get(view.name, view)
        if (earlier.stored, earlier.join_keys) != (view.stored, view.join_keys):
            raise ConfigError(
                f"feature service {name!r} shows two views as {view.name!r}; rename one with `with_name` and run "
                "`feast apply`"
            )
        added = tuple(feature for feature in view.features if feature not in earlier.features)
        features = view.features if earlier is view else earlier.features + added
        views[view.name] = ViewDescription(view.name, view.stored, view.join_keys, features)
    return ServiceDescription(name, tuple(views.values()))


def _stored_view(store: FeatureStore, where: str, projection: FeatureViewProjection) -> FeatureView:
    if projection.version_tag is not None:
        raise ConfigError(f"{where}: views pinned to a version are not supported; refer to the current one")
    view = store.registry.get_any_feature_view(projection.name, store.project, allow_cache=True)
    if not isinstance(view, FeatureView):
        raise ConfigError(
            f"{where}: a {type(view).__name__} is computed by the caller and cannot be cached per entity; "
            "materialise its features as a feature view, or compute them in the model"
        )
    if not view.online or not view.enabled:
        raise ConfigError(f"{where} is {'not online' if view.enabled else 'disabled'} in Feast and serves nothing")
    return view


def describe_view(where: str, projection: FeatureViewProjection, view: FeatureView) -> ViewDescription:
    """A view as `projection` shows it; `where` begins the `ConfigError` for join keys of other types than ours."""
    keys = []
    for column in view.entity_columns:
        dtype = column.dtype.to_value_type().name
        if dtype not in _KEY_FIELDS:
            raise ConfigError(f"{where}: join key {column.name!r} is {dtype}; INT32, INT64 and STRING are supported")
        if column.name != DUMMY_ENTITY_ID:
            keys.append(JoinKey(column.name, projection.join_key_map.get(column.name, column.name), dtype.lower()))
    features = tuple(
        FeatureDescription(field.name, str(field.dtype), field.dtype.to_value_type().name in _NUMERIC_TYPES)
        for field in projection.features
    )
    return ViewDescription(projection.name_to_use(), view.name, tuple(keys), features)


class FeastReader:
    """Reads through the provider of a Feast repository.

    Not through `get_online_features`: the provider's `online_read` gives the same rows and their event
    timestamps in fewer steps, and never touches the registry. Views are taken from the registry here and on `refresh`.
    """

    def __init__(self, store: FeatureStore, services: Mapping[str, ServiceDescription]) -> None:
        self._store = store
        self._services = dict(services)
        self._provider = store.provider
        self._views = self._stored_views()

    def read(self, view: str, features: Sequence[str], keys: Sequence[EntityKey]) -> FeatureRows:
        """See `FeatureReader`. Raises `ConfigError` where the view has no table in the store."""
        values = np.full((len(keys), len(features)), _NO_VALUE, np.float32)
        event_times_ms = np.full(len(keys), NO_ROW, np.int64)
        table = self._views[view]
        for start in range(0, len(keys), _KEYS_PER_CALL):
            stop = min(start + _KEYS_PER_CALL, len(keys))
            entities = _entity_protos(table, keys[start:stop])
            with translated(f"online store, feature view {view!r}"):
                # Redis appends to the list of features it is given.
                rows = self._provider.online_read(self._store.config, table, entities, list(features))
            fill_rows(rows, features, values[start:stop], event_times_ms[start:stop])
        return FeatureRows(values, event_times_ms)

    def refresh(self) -> None:
        """See `FeatureReader`."""
        with translated("Feast registry"):
            self._store.refresh_registry()
        fresh = describe_services(self._store, list(self._services))
        changed = sorted(name for name, service in self._services.items() if fresh[name] != service)
        if changed:
            raise ConfigError(
                f"feature service {', '.join(changed)} changed in the Feast registry; the worker goes on with what it "
                "started with, restart it to take up the change"
            )
        self._views = self._stored_views()

    def close(self) -> None:
        """Close the connection, which Feast's own `close` leaves open for SQLite and Redis; it opens anew on use."""
        online_store = self._provider.online_store
        for attribute in ("_conn", "_client"):
            connection = getattr(online_store, attribute, None)
            if connection is not None:
                connection.close()
                setattr(online_store, attribute, None)

    def _stored_views(self) -> Mapping[str, FeatureView]:
        names = {view.stored for service in self._services.values() for view in service.views}
        with translated("Feast registry"):
            return {
                name: self._store.registry.get_any_feature_view(name, self._store.project, allow_cache=True)
                for name in sorted(names)
            }


def _entity_protos(view: FeatureView, keys: Sequence[EntityKey]) -> list[EntityKeyProto]:
    names = [column.name for column in view.entity_columns]
    fields = [_KEY_FIELDS[column.dtype.to_value_type().name] for column in view.entity_columns]
    if names == [DUMMY_ENTITY_ID]:
        return [EntityKeyProto(join_keys=names, entity_values=[Value(string_val=DUMMY_ENTITY_VAL)]) for _ in keys]
    if len(names) == 1:
        field = fields[0]
        return [EntityKeyProto(join_keys=names, entity_values=[_value_of(**{field: key})]) for key in keys]
    return [
        EntityKeyProto(
            join_keys=names,
            entity_values=[_value_of(**{field: part}) for field, part in zip(fields, _parts(key), strict=True)],
        )
        for key in keys
    ]


def _parts(key: EntityKey) -> tuple[int | str, ...]:
    return key if isinstance(key, tuple) else (key,)


def fill_rows(
    rows: Sequence[tuple[datetime | None, Mapping[str, Value] | None]],
    features: Sequence[str],
    values: Float32,
    event_times_ms: Int64,
) -> None:
    """Write what the store returned for k entities into values (k, f) and event_times_ms (k,), by feature name."""
    for row, (timestamp, stored) in enumerate(rows):
        if not stored:
            continue
        found = [_number(stored.get(name)) for name in features]
        event_time_ms = 0 if timestamp is None else _milliseconds(timestamp)
        # Redis answers for an unknown entity with empty values at the epoch.
        if event_time_ms <= 0 and all(value != value for value in found):
            continue
        with np.errstate(over="ignore"):
            values[row] = found
        event_times_ms[row] = event_time_ms


def _number(value: Value | None) -> float:
    """The stored number, NaN where there is none. By the field it was written in, not by the registry's dtype, which
    may have changed since."""
    if value is None:
        return _NO_VALUE
    written = value.WhichOneof("val")
    return float(getattr(value, written)) if written in _NUMBERS else _NO_VALUE


def _milliseconds(timestamp: datetime) -> int:
    aware = timestamp if timestamp.tzinfo is not None else timestamp.replace(tzinfo=timezone.utc)
    return (aware - _EPOCH) // _MILLISECOND


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn an outage into `FeatureStoreUnavailable` and a fault of the repository into `ConfigError`."""
    try:
        yield
    except Exception as error:
        if is_outage(error):
            raise FeatureStoreUnavailable(f"{what} does not answer: {error}") from error
        if isinstance(error, FeastError | FeastConfigError) or "no such table" in str(error):
            raise ConfigError(f"{what}: {error}") from error
        raise
