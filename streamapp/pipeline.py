"""The order of the stages: decode -> route -> enrich -> infer -> encode."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import orjson

from streamapp.clock import SystemClock
from streamapp.config.settings import PipelineSettings
from streamapp.enrich import CountingEnricher
from streamapp.errors import ConfigError
from streamapp.lateness import build_deadline
from streamapp.protocols import Clock, Decoder, Encoder, Inferrer, Prepared, Router, Serving
from streamapp.types import Failure, OutgoingBatch, RecordBatch, ScoredBatch, Variant

Event = Mapping[str, Any] | bytes | str


@dataclass(frozen=True, slots=True)
class Predictions:
    """What became of the events handed to `Pipeline.predict`, by their index.

    answers: the prediction record of each answered event, as it would be published. failures: why each other
    event has none.
    """

    answers: Mapping[int, Mapping[str, Any]]
    failures: Mapping[int, Failure]


class Pipeline:
    """One loaded pipeline; needs no broker.

    >>> with Pipeline.load("pipeline.yaml") as pipeline:  # doctest: +SKIP
    ...     pipeline.predict([{"flight_id": "UA-15", "distance": 1400}]).answers[0]["scores"]
    """

    def __init__(
        self,
        settings: PipelineSettings,
        *,
        decoder: Decoder,
        router: Router,
        enricher: CountingEnricher,
        inferrer: Inferrer,
        encoder: Encoder,
        readable: Encoder,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.enricher = enricher
        self.serving = Serving(0, variants_of(settings), router, inferrer)
        """What answers the next batch."""
        self._decoder = decoder
        self._encoder = encoder
        self._readable = readable
        self._clock = clock
        self._deadline = build_deadline(settings)

    @classmethod
    def load(cls, path: str | Path) -> "Pipeline":
        """Load the pipeline file at `path` with its models and features.

        Raises `ConfigError`, `SchemaError`, `ModelLoadError` or `ContractError`, each saying what to do.
        """
        from streamapp.config.load import load_pipeline

        path = Path(path)
        return cls.build(load_pipeline(path), path.parent)

    @classmethod
    def build(cls, settings: PipelineSettings, base: Path) -> "Pipeline":
        """Load what `settings` names; relative paths start at `base`."""
        from streamapp.decode import build_decoder
        from streamapp.encode import build_encoder, build_json_encoder
        from streamapp.enrich import build_enricher
        from streamapp.infer import build_inferrer
        from streamapp.route import HashRouter, Share

        clock = SystemClock()
        shares = [Share(name, v.weight, v.shadow) for name, v in settings.variants.items()]
        return cls(
            settings,
            decoder=build_decoder(settings.source, settings.event, base),
            router=HashRouter(settings.routing.salt or settings.name, shares),
            enricher=build_enricher(settings.features, settings.event, settings.variants, base, clock),
            inferrer=build_inferrer(settings.variants, settings.event, base),
            encoder=build_encoder(settings),
            readable=build_json_encoder(settings),
            clock=clock,
        )

    def serve(self, serving: Serving) -> Serving:
        """From the next batch on let `serving` answer; what did until now is given back. Any thread.

        Batches that were prepared before are still scored by what they were prepared for: it must stay open until
        a batch of `serving` was scored. Raises `ConfigError` for other variants than the pipeline file names: their
        features would not be there.
        """
        names = [variant.name for variant in serving.variants]
        if names != list(self.settings.variants):
            raise ConfigError(f"variants {', '.join(names)}: the pipeline has {', '.join(self.settings.variants)}")
        before, self.serving = self.serving, serving
        return before

    def prepare(self, records: RecordBatch) -> Prepared:
        """Decode, route and enrich n records. Blocking. Raises `FeatureStoreUnavailable`.

        What is late now leaves the way here; a try that is repeated while the store is down looks again.
        """
        serving = self.serving
        events = self._decoder.decode(records)
        late = None
        if self._deadline is not None:
            events, late = self._deadline.judge(records, events, self._clock.now_ms())
        routes = serving.router.route(events)
        if self._deadline is not None and late is not None:
            routes, late = self._deadline.divert(routes, late)
        return Prepared(records, events, routes, self.enricher.enrich(events, routes), serving, late)

    def score(self, prepared: Prepared) -> ScoredBatch:
        """Infer. Blocking; one call at a time."""
        events, routes, features = prepared.events, prepared.routes, prepared.features
        scores = prepared.serving.inferrer.infer(events, features)
        failures = dict(events.failures)
        for index, blocks in enumerate(zip(features, scores, strict=True)):
            for block in blocks:
                # A shadow's failure is not the event's: only the answering variant can fail a row.
                failures.update({r: f for r, f in block.failures.items() if routes.answers[r] == index})
        return ScoredBatch(
            prepared.records,
            events,
            prepared.serving.variants,
            routes,
            features,
            scores,
            failures,
            self._clock.now_ms(),
            prepared.late,
        )

    def encode(self, scored: ScoredBatch) -> tuple[OutgoingBatch, ...]:
        """What to publish: predictions and dead letters; empty batches left out."""
        outgoing = (self._encoder.predictions(scored), self._encoder.dead_letters(scored))
        return tuple(batch for batch in outgoing if len(batch))

    def predict(self, events: Sequence[Event]) -> Predictions:
        """Score events through the very same stages as the worker, without a broker.

        An event is a mapping (JSON sources only) or the bytes or text of a record's value. Raises
        `FeatureStoreUnavailable` where the worker would pause and retry.
        """
        answers: dict[int, Mapping[str, Any]] = {}
        failures: dict[int, Failure] = {}
        size = self.settings.batching.max_batch_size
        for start in range(0, len(events), size):
            scored = self.score(self.prepare(self._records(events[start : start + size], start)))
            outgoing = self._readable.predictions(scored)
            for row, value in zip(outgoing.rows, outgoing.values, strict=True):
                answers[start + int(row)] = orjson.loads(value or b"")
            failures.update({start + row: failure for row, failure in scored.failures.items()})
        return Predictions(answers, dict(sorted(failures.items())))

    def close(self) -> None:
        """Release the store and the models that serve."""
        self.serving.inferrer.close()
        self.enricher.close()

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _records(self, events: Sequence[Event], first: int) -> RecordBatch:
        n = len(events)
        return RecordBatch(
            [self.settings.source.topics[0]] * n,
            np.zeros(n, np.int32),
            np.arange(first, first + n, dtype=np.int64),
            np.full(n, self._clock.now_ms(), np.int64),
            [None] * n,
            [self._value(event) for event in events],
            [()] * n,
        )

    def _value(self, event: Event) -> bytes:
        if isinstance(event, bytes):
            return event
        if isinstance(event, str):
            return event.encode()
        if self.settings.source.format != "json":
            raise ConfigError(f"a {self.settings.source.format} source takes events as bytes, not as mappings")
        return orjson.dumps(event, option=orjson.OPT_SERIALIZE_NUMPY)


def variants_of(settings: PipelineSettings) -> tuple[Variant, ...]:
    """The variants in the order they are declared, which is the order of every per-variant tuple."""
    return tuple(Variant(name, v.model.name, v.model.version) for name, v in settings.variants.items())
