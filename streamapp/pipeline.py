"""The order of the stages: decode -> route -> enrich -> infer -> encode."""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import orjson

from streamapp.clock import SystemClock
from streamapp.config.settings import PipelineSettings
from streamapp.config.slots import slots_of
from streamapp.enrich import CountingEnricher
from streamapp.errors import ConfigError
from streamapp.lateness import build_deadline
from streamapp.protocols import ArtefactSource, Clock, Decoder, Encoder, Inferrer, Prepared, Router, Serving
from streamapp.serving import ServingBuilder, declared_plan
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
        builder: ServingBuilder | None = None,
    ) -> None:
        self.settings = settings
        self.enricher = enricher
        self.serving = Serving(0, variants_of(settings), router, inferrer)
        """What answers the next batch."""
        self.builder = builder
        """Builds what may answer instead; closed with the pipeline."""
        self._slots = slots_of(settings)
        self._replaced: deque[Serving] = deque()
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
    def build(cls, settings: PipelineSettings, base: Path, artefacts: ArtefactSource | None = None) -> "Pipeline":
        """Load what `settings` names; relative paths start at `base`.

        artefacts: where its builder finds versions that the pipeline file does not name.
        """
        from streamapp.decode import build_decoder
        from streamapp.encode import build_encoder, build_json_encoder
        from streamapp.enrich import build_enricher

        clock = SystemClock()
        decoder = build_decoder(settings.source, settings.event, base)
        with ExitStack() as opened:
            enricher = build_enricher(settings.features, settings.event, settings.variants, base, clock)
            opened.callback(enricher.close)
            builder = ServingBuilder(settings, base, enricher.features, artefacts)
            opened.callback(builder.close)
            first = builder.build(declared_plan(settings))
            built = cls(
                settings,
                decoder=decoder,
                router=first.router,
                enricher=enricher,
                inferrer=first.inferrer,
                encoder=build_encoder(settings),
                readable=build_json_encoder(settings),
                clock=clock,
                builder=builder,
            )
            opened.pop_all()
        return built

    def serve(self, serving: Serving) -> Serving:
        """From the next batch on let `serving` answer; what did until now is given back. Any thread.

        Batches that were prepared before are still scored by what they were prepared for: its inferrer is closed when
        a batch of a later serving is scored. Raises `ConfigError` for other variants than the slots of the pipeline, or
        wired otherwise than the pipeline file knows: their features would not be there.
        """
        names = [variant.name for variant in serving.variants]
        if names != list(self._slots):
            raise ConfigError(f"variants {', '.join(names)}: the pipeline has {', '.join(self._slots)}")
        wirings = _wirings(serving)
        if not set(wirings) <= set(self.settings.variants):
            raise ConfigError(f"variants wired as {', '.join(wirings)}: there are {', '.join(self.settings.variants)}")
        before, self.serving = self.serving, serving
        self._replaced.append(before)
        return before

    def prepare(self, records: RecordBatch) -> Prepared:
        """Decode, route and enrich n records. Blocking. Raises `FeatureStoreUnavailable`.

        What is late now leaves the way here; a try that is repeated while the store is down looks again.
        """
        serving = self.serving
        wirings = _wirings(serving)
        events = self._decoder.decode(records)
        late = None
        if self._deadline is not None:
            events, late = self._deadline.judge(records, events, self._clock.now_ms())
        routes = serving.router.route(events)
        if self._deadline is not None and late is not None:
            routes, late = self._deadline.divert(routes, late, wirings)
        return Prepared(records, events, routes, self.enricher.enrich(events, routes, wirings), serving, late)

    def renew(self, prepared: Prepared) -> Prepared:
        """The batch prepared for what serves now, so that it need not wait for a version that was taken back meanwhile;
        itself where nothing has changed. Blocking. Raises `FeatureStoreUnavailable`."""
        if prepared.serving is self.serving:
            return prepared
        return replace(self.prepare(prepared.records), renewed=True)

    def score(self, prepared: Prepared) -> ScoredBatch:
        """Infer. Blocking; one call at a time, in the order in which the batches were prepared. Raises
        `DependencyError` when memory runs out."""
        if self._replaced and not prepared.renewed:
            self._close_before(prepared.serving)
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
        """Release the store and the models. Waits for no serving that is being built."""
        self.serving.inferrer.close()
        if self.builder is not None:
            self.builder.close()
        self.enricher.close()

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _close_before(self, serving: Serving) -> None:
        """Nothing of the servings before this one will be scored any more."""
        while self._replaced and self._replaced[0] is not serving:
            self._replaced.popleft().inferrer.close()

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


def _wirings(serving: Serving) -> Sequence[str]:
    return tuple(variant.wiring or variant.name for variant in serving.variants)


def variants_of(settings: PipelineSettings) -> tuple[Variant, ...]:
    """What the pipeline file serves in every slot, which is the order of every per-variant tuple."""
    wired = [(slot, wiring, settings.variants[wiring].model) for slot, wiring in slots_of(settings).items()]
    return tuple(Variant(slot, model.name, model.version, wiring) for slot, wiring, model in wired)
