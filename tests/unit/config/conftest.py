from collections.abc import Callable
from pathlib import Path

import pytest

from streamapp.config.load import read_pipeline
from streamapp.config.problems import render

PIPELINE = """\
name: payments
kafka:
  bootstrap.servers: broker:9092
source:
  topics: [payments]
event:
  id: payment_id
  time: at
  routing_key: customer
  fields:
    payment_id: {dtype: string}
    at: {dtype: timestamp}
    customer: {dtype: int64}
    amount: {dtype: float32, ge: 0}
    channel: {dtype: category, allowed: [web, app]}
variants:
  champion:
    weight: 1
    model: {name: fraud, path: models/fraud.onnx}
    feature_service: fraud_v1
    inputs:
      x: [amount, "customer:mean_amount", channel]
    outputs:
      fraud: {tensor: probabilities, column: 1}
features:
  repository: feature_repo
  views:
    customer: {max_age_s: 60, policy: default, defaults: {mean_amount: 0}}
predictions: {topic: predictions}
dead_letters: {topic: dead}
outcomes: {topic: labels, id: payment_id, label: fraud, score: fraud}
"""

Report = Callable[..., str]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """What is said about PIPELINE after replacing text in it: `report(old, new, …)`, with overrides and environment."""

    def say(*pairs: str, text: str = PIPELINE, overrides: tuple[str, ...] = (), environ: dict[str, str] | None = None):
        for old, new in zip(pairs[::2], pairs[1::2], strict=True):
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "pipeline.yaml"
        path.write_text(text)
        _, problems = read_pipeline(path, overrides, environ or {})
        return render(problems).replace(f"{tmp_path}/", "")

    return say
