"""What is shown of a running demo, computed a few times a second."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamapp.demo.plan import ReplayProgress
from streamapp.demo.scrape import Scrape
from streamapp.demo.tally import Quality, Tally, percentile

_RATE_S = 5.0
_QUALITY_S = 1.0
_RECENT_ANSWERS = 5_000


@dataclass(frozen=True, slots=True)
class Figures:
    """One look. Latencies from the event's record timestamp to its answer's, ms; ages s; NaN where unknown."""

    progress: ReplayProgress | None
    answers: int
    events_per_s: float
    latency_ms: tuple[float, float, float]
    rows_per_batch: float
    weather_age_s: tuple[float, float]
    lag: float
    cache_share: float
    split: Mapping[str, int]
    quality: Mapping[str, Quality]
    outcomes: int
    signals: Mapping[tuple[str, str], int]
    last_signals: Sequence[Mapping[str, object]]
    dead_letters: Mapping[str, int]
    rollout: Sequence[str] = ()


class Gauge:
    """Looks at the tally and the metrics; remembers what rates need."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, int]] = deque()
        self._quality: Mapping[str, Quality] = {}
        self._quality_s = float("-inf")

    def look(
        self,
        tally: Tally,
        metrics: Scrape | None,
        progress: ReplayProgress | None,
        monotonic_s: float,
        rollout: Sequence[str] = (),
    ) -> Figures:
        """The figures of this moment."""
        if monotonic_s - self._quality_s >= _QUALITY_S:
            self._quality, self._quality_s = tally.quality(), monotonic_s
        page = metrics if metrics is not None else Scrape("")
        hits, misses = page.total("streamapp_cache_hits_total"), page.total("streamapp_cache_misses_total")
        return Figures(
            progress=progress,
            answers=tally.answers,
            events_per_s=self._rate(tally.answers, monotonic_s),
            latency_ms=tally.latency_ms(_RECENT_ANSWERS),
            rows_per_batch=page.mean("streamapp_batch_rows"),
            weather_age_s=(percentile(tally.ages_s, 50), percentile(tally.ages_s, 99)),
            lag=page.total("streamapp_consumer_lag_records"),
            cache_share=hits / (hits + misses) if hits + misses else float("nan"),
            split=dict(sorted(tally.answers_by_variant.items())),
            quality=self._quality,
            outcomes=tally.outcomes,
            signals=dict(tally.signals_by_feature),
            last_signals=tuple(tally.last_signals),
            dead_letters=dict(sorted(tally.dead_letters_by_code.items())),
            rollout=tuple(rollout),
        )

    def _rate(self, answers: int, now_s: float) -> float:
        """Answers per second over the last seconds."""
        self._past.append((now_s, answers))
        while now_s - self._past[0][0] > _RATE_S:
            self._past.popleft()
        then_s, then = self._past[0]
        return (answers - then) / (now_s - then_s) if now_s > then_s else 0.0
