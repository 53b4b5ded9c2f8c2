"""What the enricher asks of a feature store: what a service holds, and rows of one view for given entities."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from streamapp.types import Float32, Int64

NO_ROW = int(np.iinfo(np.int64).min)
"""Event time of an entity that the store does not know."""

EntityKey = int | str | tuple[int | str, ...]
"""Value of a view's join key; a tuple in the order of the join keys where there is not exactly one."""


@dataclass(frozen=True, slots=True)
class JoinKey:
    """One join key of a view. name: as materialised. event_name: as the service maps it (the same unless the
    projection renames it). dtype: `int32`, `int64` or `string`."""

    name: str
    event_name: str
    dtype: str


@dataclass(frozen=True, slots=True)
class FeatureDescription:
    """One feature of a view. dtype: Feast's name of it. numeric: whether it can be a float32."""

    name: str
    dtype: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class ViewDescription:
    """A feature view as one service shows it. name: as features are named by (`name:feature`). stored: the
    view that is read, other than `name` where the service renames it."""

    name: str
    stored: str
    join_keys: tuple[JoinKey, ...]
    features: tuple[FeatureDescription, ...]


@dataclass(frozen=True, slots=True)
class ServiceDescription:
    """A feature service: its views in the service's order."""

    name: str
    views: tuple[ViewDescription, ...]

    @property
    def sha256(self) -> str:
        """Hex digest of all that a model sees of it: names, order and dtypes of features, views and join keys."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()

    @property
    def dtypes(self) -> Mapping[str, str]:
        """`view:feature` -> dtype, in the service's order."""
        return {f"{view.name}:{feature.name}": feature.dtype for view in self.views for feature in view.features}

    @property
    def numeric(self) -> tuple[str, ...]:
        """The `view:feature` names that can be columns of a matrix, in the service's order."""
        return tuple(
            f"{view.name}:{feature.name}" for view in self.views for feature in view.features if feature.numeric
        )


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRows:
    """Rows of one view for k entities. values float32 (k, f), NaN where the store holds none.
    event_times_ms int64 (k,): ms since the epoch, NO_ROW where the store does not know the entity."""

    values: Float32
    event_times_ms: Int64


class FeatureReader(Protocol):
    """Reads an online store. One call at a time."""

    def read(self, view: str, features: Sequence[str], keys: Sequence[EntityKey]) -> FeatureRows:
        """Rows of the stored view `view` for k distinct keys, columns in the order of `features`. Blocking.

        Raises `FeatureStoreUnavailable` where the store does not answer.
        """
        ...

    def refresh(self) -> None:
        """Take up what changed in the registry; called from another thread than `read`.

        Raises `FeatureStoreUnavailable` where the registry does not answer, and `ConfigError` where it no
        longer serves what was planned with; either way reads go on as before.
        """
        ...

    def close(self) -> None:
        """Release the store."""
        ...
