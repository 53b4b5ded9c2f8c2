"""A feature store in memory, with faults: stands in for Feast wherever a `FeatureReader` is asked for."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from streamapp.enrich.reader import NO_ROW, EntityKey, FeatureRows


class InMemoryFeatures:
    """Rows by view and entity. `fault`, when set, is called before every read and may raise or block."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[EntityKey, tuple[int, dict[str, float]]]] = {}
        self.fault: Callable[[], None] | None = None
        self.reads: list[tuple[str, tuple[str, ...], tuple[EntityKey, ...]]] = []
        """Every read: view, features, keys."""
        self.refreshes = 0
        self.closed = False

    def put(self, view: str, key: EntityKey, event_time_ms: int, values: Mapping[str, float]) -> None:
        """Store a row; features left out have no value."""
        self._rows.setdefault(view, {})[key] = (event_time_ms, dict(values))

    def read(self, view: str, features: Sequence[str], keys: Sequence[EntityKey]) -> FeatureRows:
        """See `FeatureReader`; raises what `fault` raises."""
        self.reads.append((view, tuple(features), tuple(keys)))
        if self.fault is not None:
            self.fault()
        rows = [self._rows.get(view, {}).get(key, (NO_ROW, {})) for key in keys]
        values = [[row.get(name, np.nan) for name in features] for _, row in rows]
        return FeatureRows(
            np.array(values, np.float32).reshape(len(keys), len(features)),
            np.array([event_time_ms for event_time_ms, _ in rows], np.int64),
        )

    def refresh(self) -> None:
        """See `FeatureReader`; counts the calls."""
        self.refreshes += 1

    def close(self) -> None:
        """See `FeatureReader`."""
        self.closed = True
