"""What can be asked of the demo."""

from dataclasses import dataclass
from pathlib import Path

START = "2013-03-01"
"""First day replayed: the models have seen January and February."""
UNTIL = "2013-07-01"
ROLLBACK_UNTIL = "2013-04-16"
"""Long enough for a rollout that is taken back."""
TARGET_S = 90.0
"""Wall seconds that a replay takes where no speed is asked for."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """until: ISO date after the last day replayed. speed: event seconds per wall second; chosen for a replay of about
    `TARGET_S` if None. bootstrap_servers: an existing Kafka instead of the embedded broker; topics get a name of
    their own there. keep_running: leave everything up at the end, until Ctrl-C. directory: where data, models, logs
    and the pipeline file go; overwritten. seed: of the events broken on purpose. plain: lines instead of a live
    screen, as without a terminal. rollback: a sabotaged version is rolled out and taken back, instead of the
    challenger, which wins.
    """

    until: str = UNTIL
    speed: float | None = None
    bootstrap_servers: str | None = None
    keep_running: bool = False
    directory: Path = Path(".demo")
    seed: int = 2013
    plain: bool = False
    rollback: bool = False
