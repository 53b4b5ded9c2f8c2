"""What the topics say, counted as it comes in."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson

from streamapp.demo.balance import Answer, Place
from streamapp.observe.measures import binned_auc
from streamapp.observe.quality import log_losses
from streamapp.types import Float64, Headers

_RECENT = 20_000
_SIGNALS_KEPT = 8
ROLES = {"1": "champion", "2": "challenger", "3": "sabotaged"}
"""Version -> what it is called here: a version stays what it is while variants change what they serve."""
_DAY_MS = 24 * 3_600_000
_NEW_YORK_MS = 5 * 3_600_000
"""Behind UTC by standard time; in the hours that summer time would move to another day nothing departs."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One record as read from a topic. timestamp_ms: the record's, ms since the epoch."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Quality:
    """Of the rows of one variant whose label is known."""

    rows: int
    auc: float
    log_loss: float
    base_rate: float


@dataclass(slots=True)
class _Joined:
    scores: list[float] = field(default_factory=list)
    labels: list[float] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)


class Tally:
    """Fed by records of five topics, in any order between topics."""

    def __init__(self) -> None:
        self.predictions: list[Answer] = []
        self.dead_letters: list[Answer] = []
        self.answers_by_variant: Counter[str] = Counter()
        self.dead_letters_by_code: Counter[str] = Counter()
        self.signals_by_feature: Counter[tuple[str, str]] = Counter()
        self.last_signals: deque[Mapping[str, object]] = deque(maxlen=_SIGNALS_KEPT)
        self.outcomes = 0
        self.latencies_ms: deque[float] = deque(maxlen=_RECENT)
        self.ages_s: deque[float] = deque(maxlen=_RECENT)
        self.youngest_age_s = float("inf")
        self._asked_ms: dict[Place, int] = {}
        self._answered_ms: dict[Place, int] = {}
        self._scores: dict[str, tuple[str, float, int]] = {}
        self._labels: dict[str, float] = {}
        self._joined: dict[str, _Joined] = {}

    def event(self, record: Seen) -> None:
        """An event went in."""
        place = (record.partition, record.offset)
        answered_ms = self._answered_ms.pop(place, None)
        if answered_ms is None:
            self._asked_ms[place] = record.timestamp_ms
        else:
            self.latencies_ms.append(answered_ms - record.timestamp_ms)

    def prediction(self, record: Seen) -> None:
        """An answer came out."""
        answer = orjson.loads(record.value)
        source, flight_id, variant = answer["source"], answer["id"], ROLES[answer["model_version"]]
        place = (source["partition"], source["offset"])
        self.predictions.append(Answer(place, flight_id))
        self.answers_by_variant[variant] += 1
        self._timed(place, record.timestamp_ms)
        weather = answer.get("features", {}).get("airport_weather")
        if weather is not None and weather["age_s"] is not None:
            self.ages_s.append(weather["age_s"])
            self.youngest_age_s = min(self.youngest_age_s, weather["age_s"])
        scored = (variant, answer["scores"]["late"], answer["event_time"])
        label = self._labels.pop(flight_id, None)
        if label is None:
            self._scores[flight_id] = scored
        else:
            self._join(scored, label)

    def dead_letter(self, record: Seen) -> None:
        """An event was refused. Its id is its key, since its value may be anything."""
        headers = dict(record.headers)
        partition, offset = (int(headers[f"__connect.errors.{name}"]) for name in ("partition", "offset"))
        self.dead_letters.append(Answer((partition, offset), record.key.decode()))
        self.dead_letters_by_code[headers["streamapp.errors.code"].decode()] += 1
        self._timed((partition, offset), record.timestamp_ms)

    def outcome(self, record: Seen) -> None:
        """A label became known."""
        outcome = orjson.loads(record.value)
        self.outcomes += 1
        scored = self._scores.pop(outcome["flight_id"], None)
        if scored is None:
            self._labels[outcome["flight_id"]] = float(outcome["late"])
        else:
            self._join(scored, float(outcome["late"]))

    def signal(self, record: Seen) -> None:
        """A detector spoke."""
        signal = orjson.loads(record.value)
        self.signals_by_feature[signal["variant"], signal["feature"]] += 1
        self.last_signals.append(signal)

    @property
    def answers(self) -> int:
        """Predictions and dead letters."""
        return len(self.predictions) + len(self.dead_letters)

    def latency_ms(self, recent: int = _RECENT) -> tuple[float, float, float]:
        """50th, 95th and 99th percentile of the last `recent` answers, ms; NaN before the first."""
        latest = list(self.latencies_ms)[-recent:]
        if not latest:
            return (float("nan"),) * 3
        p50, p95, p99 = np.percentile(latest, (50, 95, 99)).tolist()
        return p50, p95, p99

    def quality(self) -> dict[str, Quality]:
        """Variant -> quality over everything joined so far."""
        return {variant: _judged(*_arrays(joined)[:2]) for variant, joined in sorted(self._joined.items())}

    def quality_by_month(self) -> dict[str, dict[str, Quality]]:
        """Month of departure in New York (`2013-03`) -> variant -> quality."""
        months: dict[str, dict[str, Quality]] = {}
        for variant, joined in sorted(self._joined.items()):
            scores, labels, times_ms = _arrays(joined)
            month = (times_ms - _NEW_YORK_MS).astype("datetime64[ms]").astype("datetime64[M]")
            for each in np.unique(month):
                rows = month == each
                months.setdefault(str(each), {})[variant] = _judged(scores[rows], labels[rows])
        return dict(sorted(months.items()))

    def quality_of_same_days(self) -> dict[str, Quality]:
        """Champion and challenger over the days of departure (New York) on which both answered; nothing if on none.

        A day has the same weight for both, the flights of whichever answered fewer, shared among a variant's flights of
        that day. Over all flights a variant that answers in winter and one that answers in June have different tasks,
        and shares that move mix them.
        """
        names = ("champion", "challenger")
        found = [_arrays(self._joined.get(name, _Joined())) for name in names]
        days = [((times_ms - _NEW_YORK_MS) // _DAY_MS).astype(np.int64) for _, _, times_ms in found]
        last = max((int(day.max()) for day in days if len(day)), default=0)
        counts = [np.bincount(day, minlength=last + 1) for day in days]
        shared = np.minimum(*counts)
        if not shared.any():
            return {}
        return {
            name: _judged(scores, labels, (shared / np.maximum(count, 1))[day])
            for name, (scores, labels, _), day, count in zip(names, found, days, counts, strict=True)
        }

    def _join(self, scored: tuple[str, float, int], label: float) -> None:
        variant, score, time_ms = scored
        joined = self._joined.setdefault(variant, _Joined())
        joined.scores.append(score)
        joined.labels.append(label)
        joined.times_ms.append(time_ms)

    def _timed(self, place: Place, answered_ms: int) -> None:
        asked_ms = self._asked_ms.pop(place, None)
        if asked_ms is None:
            self._answered_ms[place] = answered_ms
        else:
            self.latencies_ms.append(answered_ms - asked_ms)


def _arrays(joined: _Joined) -> tuple[Float64, Float64, Float64]:
    return np.array(joined.scores), np.array(joined.labels), np.array(joined.times_ms, np.float64)


def _judged(scores: Float64, labels: Float64, weights: Float64 | None = None) -> Quality:
    """weights (n,): what each row counts for; 1 if absent."""
    if weights is None:
        weights = np.ones_like(scores)
    _, group = np.unique(scores, return_inverse=True)
    both = (np.bincount(group, weights * classes).astype(np.float64) for classes in (labels, 1 - labels))
    loss, base_rate = (float(np.average(each, weights=weights)) for each in (log_losses(scores, labels), labels))
    return Quality(round(float(weights.sum())), binned_auc(*both), loss, base_rate)


def percentile(values: Sequence[float], q: float) -> float:
    """The q-th percentile, NaN of nothing."""
    return float(np.percentile(values, q)) if values else float("nan")
