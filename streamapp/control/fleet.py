"""All workers' reports, as the leader sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamapp.act.report import Report, Seen
from streamapp.act.state import Rollout, State

SILENT_AFTER = 5
"""Intervals without a report after which a worker is taken for dead: what it saw still counts, nobody waits for it."""


@dataclass(frozen=True, slots=True)
class _Kept:
    report: Report
    at_ms: int


class Fleet:
    """The latest report of every worker. Times are the broker's, so that clocks need not agree."""

    def __init__(self, interval_s: float) -> None:
        self._silent_ms = max(SILENT_AFTER * interval_s, SILENT_AFTER) * 1000
        self._kept: dict[str, _Kept] = {}
        self._latest_ms = 0

    def take(self, report: Report, at_ms: int) -> None:
        """Keep a report; it stands for all earlier ones of that worker."""
        self._kept[report.worker] = _Kept(report, at_ms)
        self._latest_ms = at_ms

    def waiting(self, revision: int) -> tuple[str, ...]:
        """The workers alive that do not have `revision` in force yet; but for what they cannot have, see `failed`."""
        return tuple(each.worker for each in self._alive() if each.revision < revision and not _done(each, revision))

    def failed(self, state: State, rollout: Rollout) -> str:
        """Why a worker cannot serve the rollout's candidate as it is now; "" if none says so. What one said before it
        knew of the rollout is about an earlier one."""
        wanted = state.tenants[rollout.candidate]
        place = rollout.candidate, wanted.wiring, state.version_of(wanted)
        begun = state.models[rollout.model]
        for report in self._alive():
            if report.read is not None and report.read < begun:
                continue
            for each in report.failed:
                wiring = each.tenant.wiring
                if wiring == wanted.wiring and (each.variant, wiring, state.version_of(each.tenant)) == place:
                    return f"worker {report.worker} cannot serve version {rollout.version}: {each.reason}"
        return ""

    def seen(self, model: str, epoch: int) -> Sequence[Seen]:
        """What every worker, dead ones included, has seen of `model` since `epoch`."""
        found = (kept.report.seen.get(model) for kept in self._kept.values())
        return [seen for seen in found if seen is not None and seen.epoch == epoch]

    def _alive(self) -> list[Report]:
        # From the latest report either way, as the broker's clock may be set back.
        kept = [each for each in self._kept.values() if abs(self._latest_ms - each.at_ms) <= self._silent_ms]
        return [each.report for each in kept if not each.report.leaving]


def _done(report: Report, revision: int) -> bool:
    """Whether the worker has done about `revision` what it can."""
    return report.read is not None and report.read >= revision and not report.loading
