from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamapp.config.settings import EventSettings, SourceSettings
from streamapp.decode import build_decoder
from streamapp.protocols import Decoder
from streamapp.types import Headers, RecordBatch

RECORD_TIME_MS = 1_700_000_000_000


@pytest.fixture
def records() -> Callable[..., RecordBatch]:
    def batch(values: Sequence[bytes | None], headers: Sequence[Headers] | None = None) -> RecordBatch:
        n = len(values)
        return RecordBatch(
            ["events"] * n,
            np.zeros(n, np.int32),
            np.arange(n, dtype=np.int64),
            np.full(n, RECORD_TIME_MS, np.int64),
            [None] * n,
            list(values),
            list(headers) if headers else [()] * n,
        )

    return batch


@pytest.fixture
def json_decoder() -> Callable[..., Decoder]:
    def build(fields: dict[str, Any], **roles: Any) -> Decoder:
        event = EventSettings.model_validate({"id": "id", "fields": {"id": {"dtype": "string"}, **fields}, **roles})
        return build_decoder(SourceSettings(topics=("events",)), event, Path())

    return build
