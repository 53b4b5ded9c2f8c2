import pytest

from streamapp.act.commands import Declare, DeclaredVariant
from streamapp.testing import ManualClock
from tests.rollout_log import ScriptedLog, Shelf

DECLARED = {
    "champion": DeclaredVariant("champion", "fraud", "1", 1.0, 0.0),
    "champion-canary": DeclaredVariant("champion", "fraud", "1", 0.0, 0.0),
}

PIPELINE = """\
name: payments
source:
  topics: [payments]
event:
  id: payment_id
  fields:
    payment_id: {dtype: string}
    amount: {dtype: float32, ge: 0}
variants:
  champion:
    weight: 1
    model: {name: fraud, path: models/fraud.onnx}
    inputs: {x: [amount]}
    outputs: {fraud: {tensor: probabilities, column: 1}}
predictions: {topic: predictions}
dead_letters: {topic: dead}
"""


@pytest.fixture
def pipeline_text() -> str:
    """A pipeline file that is not under control."""
    return PIPELINE


@pytest.fixture
def log() -> ScriptedLog:
    """A log on which a worker has declared a champion and its canary."""
    log = ScriptedLog(clock=ManualClock(1_700_000_000_000))
    log.write(Declare(id="c0", by="w1", at_ms=log.clock.now_ms(), expects=0, variants=DECLARED))
    return log


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({"2": "fraud_v1", "3": None}, torn=frozenset({"3"}), aliases={"challenger": "2", "champion": "1"})
