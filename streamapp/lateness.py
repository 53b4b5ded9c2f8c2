"""A deadline per event: which rows missed it when their batch was taken, and what then.

Measured from the record's timestamp by itself: the time that an event has spent in Kafka and in the queue is what a
worker that is behind can do something about, and it starts anew for an event that is sent back from the dead-letter
topic. From the event time where the answer is worth nothing so long after what happened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamapp.config.settings import BatchingSettings, LatePolicy, PipelineSettings
from streamapp.types import NO_VARIANT, EventBatch, Failure, Int64, LateRows, RecordBatch, Routes, ScoreBlock

STAGE = "deadline"
CODE = "late"


@dataclass(frozen=True, slots=True)
class FallbackScores:
    """What one variant's rows are answered with: names and values float64 (o,)."""

    names: tuple[str, ...]
    values: Sequence[float]


class Deadline:
    """Finds late rows and takes them out of the way. Columns only, but for rows that become dead letters.

    field: the event's time field where ages are measured from it. fallbacks: wiring -> what it is answered with, for
    policy `fallback`.
    """

    def __init__(
        self,
        deadline_ms: int,
        policy: LatePolicy,
        *,
        from_event_time: bool,
        field: str = "",
        fallbacks: Mapping[str, FallbackScores] | None = None,
    ) -> None:
        self._deadline_ms = deadline_ms
        self._policy = policy
        self._from_event_time = from_event_time
        self._field = field if from_event_time else ""
        self._fallbacks = fallbacks or {}

    def judge(self, records: RecordBatch, events: EventBatch, now_ms: int) -> tuple[EventBatch, LateRows | None]:
        """The events, with late rows failed where the policy says so, and the late rows, None without any.

        A row that failed before is not late. An age of exactly the deadline is in time.
        """
        since_ms = events.event_times_ms if self._from_event_time else records.timestamps_ms
        late = since_ms < now_ms - self._deadline_ms
        if not late.any():
            return events, None
        if events.failures:
            late[list(events.failures)] = False
        rows = np.flatnonzero(late)
        if not len(rows):
            return events, None
        if self._policy == "dead_letter":
            failures = dict(zip(rows.tolist(), self._failures(now_ms - since_ms[rows]), strict=True))
            events = replace(events, failures={**events.failures, **failures})
        return events, LateRows(self._policy, rows)

    def divert(self, routes: Routes, late: LateRows, wirings: Sequence[str]) -> tuple[Routes, LateRows]:
        """Late rows out of every variant's hands and answered with its fallback; other policies change nothing.

        wirings: per variant of `routes`, the declared variant whose outputs it has.
        """
        if late.policy != "fallback":
            return routes, late
        answers = routes.answers.copy()
        owners = answers[late.rows]
        answers[late.rows] = NO_VARIANT
        out = np.zeros(len(answers), np.bool_)
        out[late.rows] = True
        left = tuple(rows[~out[rows]] for rows in routes.rows)
        blocks = tuple(
            _constant(late.rows[owners == index], self._fallbacks[wiring]) for index, wiring in enumerate(wirings)
        )
        return Routes(answers, left), replace(late, fallbacks=blocks)

    def _failures(self, ages_ms: Int64) -> list[Failure]:
        rule = f"deadline_ms={self._deadline_ms}"
        return [
            Failure(STAGE, CODE, f"{age_ms} ms old when its batch was taken", self._field, rule, f"{age_ms} ms")
            for age_ms in ages_ms.tolist()
        ]


def build_deadline(settings: PipelineSettings) -> Deadline | None:
    """The deadline of a pipeline; None without one."""
    batching = settings.batching
    if batching.deadline_ms is None:
        return None
    return Deadline(
        batching.deadline_ms,
        batching.late_policy,
        from_event_time=batching.deadline_from == "event_time",
        field=settings.event.time or "",
        fallbacks={name: _scores(variant.outputs, batching) for name, variant in settings.variants.items()},
    )


def _scores(outputs: Mapping[str, object], batching: BatchingSettings) -> FallbackScores:
    """A variant that answers nobody may lack some."""
    names = tuple(name for name in outputs if name in batching.fallback_scores)
    return FallbackScores(names, [batching.fallback_scores[name] for name in names])


def _constant(rows: Int64, fallback: FallbackScores) -> ScoreBlock:
    values = np.tile(np.asarray(fallback.values, np.float64), (len(rows), 1))
    return ScoreBlock(rows, fallback.names, values.reshape(len(rows), len(fallback.names)))
