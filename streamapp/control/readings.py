"""Control as metrics: what a worker has read of the log, what it has in force, and how far rollouts are."""

from collections.abc import Callable

from streamapp.act.state import LOADING, PROGRESSING, Rollout
from streamapp.control.duty import ControlDuty
from streamapp.observe.tallies import Labels, Readings

PHASES = ("loading", "progressing", "waiting", "paused", "promoted", "aborted")
"""waiting: in a `pause: {}`, until somebody resumes."""


def control_readings(duty: ControlDuty) -> Callable[[], Readings]:
    """A source for `Metrics.read_from` over a worker's part in control. Any thread."""

    def read() -> Readings:
        state = duty.state
        rollouts = list(state.rollouts.values())
        phases: dict[Labels, float] = {
            (each.model, phase): float(phase == phase_of(each)) for each in rollouts for phase in PHASES
        }
        return {
            "streamapp_control_revision": {(): duty.revision},
            "streamapp_control_log_revision": {(): state.revision},
            "streamapp_control_leader": {(): float(duty.leading)},
            "streamapp_control_commands_total": {("applied",): duty.applied, ("refused",): duty.refused},
            "streamapp_control_load_failures_total": {(): duty.load_failures},
            "streamapp_rollout_phase": phases,
            "streamapp_rollout_step": {(each.model,): min(each.step + 1, len(each.steps)) for each in rollouts},
            "streamapp_rollout_steps": {(each.model,): len(each.steps) for each in rollouts},
        }

    return read


def phase_of(rollout: Rollout) -> str:
    """One of `PHASES`."""
    if rollout.status != PROGRESSING:
        return rollout.status
    if rollout.step == LOADING:
        return "loading"
    return "waiting" if rollout.waits else PROGRESSING
