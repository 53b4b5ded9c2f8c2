"""The models that are loaded, each once, whoever scores with them."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from streamapp.errors import ModelLoadError
from streamapp.infer import Lane


@dataclass(frozen=True, slots=True)
class LaneKey:
    """What a lane is of: version `version` of a model, wired as the pipeline file wires variant `wiring`."""

    wiring: str
    version: str


class LaneStock:
    """Lanes by key. A lane is closed only by `retire` and `close`, and by `retire` only while nobody has a lease on it.

    Any thread; loads follow one another, and neither `release`, `retire` nor `close` waits for one.
    """

    def __init__(self) -> None:
        self._lanes: dict[LaneKey, Lane] = {}
        self._leases: Counter[LaneKey] = Counter()
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._closed = False

    @property
    def loaded(self) -> frozenset[LaneKey]:
        """What is loaded now."""
        with self._lock:
            return frozenset(self._lanes)

    def lease(self, keys: Collection[LaneKey], load: Callable[[LaneKey], Lane]) -> Mapping[LaneKey, Lane]:
        """The lanes of `keys`, of which none is closed until they are released; those missing are made by `load`.

        Raises what `load` raises, `ModelLoadError` once the stock was closed; what this call loaded is closed then.
        """
        wanted = tuple(dict.fromkeys(keys))
        if (lanes := self._lease_loaded(wanted)) is not None:
            return lanes
        with self._loading, ExitStack() as undo:
            missing = self._take(wanted)
            undo.callback(self._drop, missing)
            undo.callback(self.release, wanted)
            for key in missing:
                self._put(key, load(key))
            with self._lock:
                self._check_open()
                lanes = {key: self._lanes[key] for key in wanted}
            undo.pop_all()
        return lanes

    def release(self, keys: Iterable[LaneKey]) -> None:
        """Give a lease back. The lanes stay loaded, for who needs them next or for `retire`."""
        with self._lock:
            self._leases.subtract(keys)

    def retire(self, keep: Collection[LaneKey]) -> bool:
        """Close what nobody has a lease on, but for `keep`; whether no others are left."""
        with self._lock:
            gone = [key for key in self._lanes if self._leases[key] <= 0 and key not in keep]
            lanes = [self._lanes.pop(key) for key in gone]
            for key in gone:
                del self._leases[key]
            done = all(key in keep for key in self._lanes)
        _close(lanes)
        return done

    def close(self) -> None:
        """Close everything, leased or not. A load under way closes what it loaded once it is done."""
        with self._lock:
            self._closed = True
            lanes = list(self._lanes.values())
            self._lanes.clear()
        _close(lanes)

    def _lease_loaded(self, keys: Sequence[LaneKey]) -> Mapping[LaneKey, Lane] | None:
        """Lease `keys` if all are loaded, without waiting for whoever loads others; else None, and nothing happens."""
        with self._lock:
            self._check_open()
            if not all(key in self._lanes for key in keys):
                return None
            self._leases.update(keys)
            return {key: self._lanes[key] for key in keys}

    def _take(self, keys: Sequence[LaneKey]) -> tuple[LaneKey, ...]:
        """Lease `keys`, loaded or not; those that are not loaded."""
        with self._lock:
            self._check_open()
            self._leases.update(keys)
            return tuple(key for key in keys if key not in self._lanes)

    def _put(self, key: LaneKey, lane: Lane) -> None:
        with self._lock:
            if not self._closed:
                self._lanes[key] = lane
                return
        lane.close()
        self._check_open()

    def _drop(self, keys: Iterable[LaneKey]) -> None:
        with self._lock:
            lanes = [self._lanes.pop(key) for key in keys if key in self._lanes]
        _close(lanes)

    def _check_open(self) -> None:
        if self._closed:
            raise ModelLoadError("nothing is loaded any more: the pipeline was closed")


def _close(lanes: Iterable[Lane]) -> None:
    """Every lane, also after one that fails."""
    with ExitStack() as closing:
        for lane in lanes:
            closing.callback(lane.close)
