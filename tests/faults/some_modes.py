"""Which delivery modes a case runs in where the mode hardly touches what it breaks.

At full size all of them. In the short suite one, dealt out in turn, so that the tests of a file cover all modes.
"""

import os

from tests.faults.modes import DELIVERIES


def dealt(number: int) -> tuple[str, ...]:
    """All modes at full size, else the one whose turn it is."""
    return DELIVERIES if os.environ.get("FAULTS_SIZE") == "long" else (DELIVERIES[number % len(DELIVERIES)],)
