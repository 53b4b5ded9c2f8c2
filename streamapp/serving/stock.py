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

    Any thread. Loads follow one another, and nothing else waits for one: what is loaded can be leased, and go back to
    serving, while a load hangs.
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
        lanes = self._leased(wanted)
        return self._leased_after_loading(wanted, load) if lanes is None else lanes

    def release(self, keys: Iterable[LaneKey]) -> None:
        """Give a lease back. The lanes stay loaded, for who needs them next or for `retire`."""
        with self._lock:
            self._leases.subtract(tuple(keys))

    def retire(self, keep: Collection[LaneKey]) -> bool:
        """Close what nobody has a lease on, but for `keep`; whether no others are left."""
        self._drop(lambda key: key not in keep)
        return self.loaded <= frozenset(keep)

    def close(self) -> None:
        """Close everything, leased or not. A load under way closes what it loaded once it is done."""
        with self._lock:
            self._closed = True
            lanes = list(self._lanes.values())
            self._lanes.clear()
        _close(lanes)

    def _leased(self, wanted: Sequence[LaneKey]) -> Mapping[LaneKey, Lane] | None:
        """The lanes, if all are loaded."""
        with self._lock:
            self._check_open()
            if any(key not in self._lanes for key in wanted):
                return None
            self._leases.update(wanted)
            return {key: self._lanes[key] for key in wanted}

    def _leased_after_loading(
        self, wanted: Sequence[LaneKey], load: Callable[[LaneKey], Lane]
    ) -> Mapping[LaneKey, Lane]:
        with self._loading, ExitStack() as undo:
            with self._lock:
                self._check_open()
                self._leases.update(wanted)
                missing = {key for key in wanted if key not in self._lanes}
            undo.callback(self._drop, missing.__contains__)
            undo.callback(self.release, wanted)
            for key in (key for key in wanted if key in missing):
                self._put(key, load(key))
            with self._lock:
                self._check_open()
                lanes = {key: self._lanes[key] for key in wanted}
            undo.pop_all()
        return lanes

    def _put(self, key: LaneKey, lane: Lane) -> None:
        with self._lock:
            if not self._closed:
                self._lanes[key] = lane
                return
        lane.close()
        self._check_open()

    def _drop(self, chosen: Callable[[LaneKey], bool]) -> None:
        """Close the chosen lanes that nobody has a lease on."""
        with self._lock:
            gone = [key for key in self._lanes if self._leases[key] <= 0 and chosen(key)]
            lanes = [self._lanes.pop(key) for key in gone]
            for key in gone:
                del self._leases[key]
        _close(lanes)

    def _check_open(self) -> None:
        if self._closed:
            raise ModelLoadError("nothing is loaded any more: the pipeline was closed")


def _close(lanes: Iterable[Lane]) -> None:
    """Every lane, also after one that fails."""
    with ExitStack() as closing:
        for lane in lanes:
            closing.callback(lane.close)
