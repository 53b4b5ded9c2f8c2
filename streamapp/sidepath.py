"""Beside the hot path: scored batches and outcomes to evidence, and signals to alerts."""

from collections.abc import Sequence

from streamapp.encode import encode_signals
from streamapp.observe.observation import Observation
from streamapp.protocols import OutcomeDecoder
from streamapp.types import OutgoingBatch, RecordBatch, ScoredBatch


class SidePath:
    """What a worker drives in its observing thread: observer, outcome handler and outbox in one.

    decoder: for the label topic, None without one. alerts_topic: where signals go, None to leave them to metrics
    and log lines.
    """

    def __init__(self, observation: Observation, decoder: OutcomeDecoder | None, alerts_topic: str | None) -> None:
        self._observation = observation
        self._decoder = decoder
        self._alerts_topic = alerts_topic

    def observe(self, scored: ScoredBatch) -> None:
        """Take a scored batch in."""
        self._observation.observe(scored)

    def join(self, records: RecordBatch) -> None:
        """Decode outcomes and join them to their predictions."""
        if self._decoder is not None:
            self._observation.join(self._decoder.decode(records))

    def drain(self) -> Sequence[OutgoingBatch]:
        """The signals since the last call, as alerts."""
        signals = self._observation.drain()
        if not signals or self._alerts_topic is None:
            return ()
        return (encode_signals(signals, self._alerts_topic),)
