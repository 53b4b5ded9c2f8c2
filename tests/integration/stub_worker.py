"""A worker with a stub scoring path, as a process of its own: `python stub_worker.py '<json>'`.

The job says: settings (a pipeline as a mapping), and what the stub does:
halt_at: the value (bytes as text) whose batch raises an exception outside the error tree.
retry_file: while this file exists, preparing raises `FeatureStoreUnavailable`.
slow_s: how long scoring a batch takes. log: file that gets one line per batch when scoring it begins.
"""

import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamapp.config.settings import PipelineSettings
from streamapp.errors import FeatureStoreUnavailable
from streamapp.kafka.run import run_worker
from streamapp.protocols import Prepared, Serving
from streamapp.types import (
    EventBatch,
    FeatureBlock,
    OutgoingBatch,
    RecordBatch,
    Routes,
    ScoreBlock,
    ScoredBatch,
    Variant,
)

VARIANT = Variant("stub", "stub", "1")


class Nothing:
    """Stands where a pipeline has its router and its models."""

    def route(self, events: EventBatch) -> Routes:
        rows = np.arange(len(events), dtype=np.int64)
        return Routes(np.zeros(len(events), np.int16), (rows,))

    def infer(self, events: EventBatch, features: Sequence[FeatureBlock]) -> tuple[ScoreBlock, ...]:
        return tuple(ScoreBlock(block.rows, ("p",), np.zeros((len(block.rows), 1))) for block in features)

    def close(self) -> None:
        return


SERVING = Serving(0, (VARIANT,), Nothing(), Nothing())


class EchoPath:
    """Answers every record with its own key and value, and the input's place in the headers."""

    def __init__(
        self,
        output: str = "predictions",
        halt_at: bytes | None = None,
        retry_file: Path | None = None,
        slow_s: float = 0.0,
        log: Path | None = None,
    ) -> None:
        self._output = output
        self._halt_at = halt_at
        self._retry_file = retry_file
        self._slow_s = slow_s
        self._log = log

    def prepare(self, records: RecordBatch) -> Prepared:
        if self._retry_file is not None and self._retry_file.exists():
            raise FeatureStoreUnavailable("the store is down (stub)")
        n = len(records)
        events = EventBatch({}, [""] * n, [""] * n, records.timestamps_ms, {})
        routes = SERVING.router.route(events)
        return Prepared(records, events, routes, (FeatureBlock.without_features(routes.rows[0]),), SERVING)

    def renew(self, prepared: Prepared) -> Prepared:
        return prepared

    def score(self, prepared: Prepared) -> ScoredBatch:
        records = prepared.records
        if self._halt_at is not None and self._halt_at in records.values:
            raise ZeroDivisionError("a bug in the model (stub)")
        if self._log is not None:
            with self._log.open("a") as file:
                file.write(f"batch {len(records)}\n")
        if self._slow_s:
            time.sleep(self._slow_s)
        return ScoredBatch(
            records,
            prepared.events,
            SERVING.variants,
            prepared.routes,
            prepared.features,
            SERVING.inferrer.infer(prepared.events, prepared.features),
            {},
            int(time.time() * 1000),
        )

    def encode(self, scored: ScoredBatch) -> tuple[OutgoingBatch, ...]:
        records = scored.records
        places = [
            [("from", f"{topic}/{number}/{offset}".encode())]
            for topic, number, offset in zip(
                records.topics, records.partitions.tolist(), records.offsets.tolist(), strict=True
            )
        ]
        rows = np.arange(len(records), dtype=np.int64)
        return (OutgoingBatch(self._output, rows, records.partitions, records.keys, records.values, places),)


def main() -> int:
    job = json.loads(sys.argv[1])
    logging.basicConfig(level=job.get("level", "INFO"), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = PipelineSettings.model_validate(job["settings"])
    log = Path(job["log"]) if "log" in job else None
    path = EchoPath(
        settings.predictions.topic,
        job["halt_at"].encode() if "halt_at" in job else None,
        Path(job["retry_file"]) if "retry_file" in job else None,
        job.get("slow_s", 0.0),
        log,
    )
    return run_worker(settings, path)


if __name__ == "__main__":
    sys.exit(main())
