"""Signals as alert records."""

import math
from collections.abc import Sequence

import numpy as np
import orjson

from streamapp.encode.json import CONTENT_TYPE
from streamapp.types import OutgoingBatch, Signal

ANY_PARTITION = -1
"""An alert answers no input record: its key decides the partition."""
NO_ROW = -1


def encode_signals(signals: Sequence[Signal], topic: str) -> OutgoingBatch:
    """One JSON record per signal, keyed by `variant/feature` so that one stream's alerts keep their order.

    partitions are all `ANY_PARTITION` and rows all -1, as no row is answered.
    """
    k = len(signals)
    return OutgoingBatch(
        topic,
        np.full(k, NO_ROW, np.int64),
        np.full(k, ANY_PARTITION, np.int32),
        [f"{signal.variant.name}/{signal.feature}".encode() for signal in signals],
        [_alert(signal) for signal in signals],
        [(("content-type", CONTENT_TYPE),)] * k,
    )


def _alert(signal: Signal) -> bytes:
    return orjson.dumps(
        {
            "variant": signal.variant.name,
            "model": signal.variant.model_name,
            "model_version": signal.variant.model_version,
            "detector": signal.detector,
            "feature": signal.feature,
            "at": signal.at_ms,
            "value": _finite(signal.value),
            "reference": _finite(signal.reference),
            "rows_seen": signal.rows_seen,
        }
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
