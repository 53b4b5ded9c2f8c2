"""Reads every topic of the demo, as any other consumer could, and the worker's metrics."""

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamapp.demo.pipeline import Addresses
from streamapp.demo.scrape import Scrape, scrape
from streamapp.demo.tally import Seen, Tally

_POLL_MS = 250
_FETCH_BYTES = 65_536
"""A looker-on need not know at once; many small fetches would take time from the worker."""
_ROWS_AT_ONCE = 2_000
_SCRAPE_S = 1.0


class Watch:
    """Fills `tally` and `metrics` for as long as `run` lasts."""

    def __init__(self, addresses: Addresses) -> None:
        self.tally = Tally()
        self.metrics: Scrape | None = None
        self._addresses = addresses
        self._partitions = [TopicPartition(topic, p) for topic in addresses.topics for p in range(addresses.partitions)]
        self._sinks: dict[str, Callable[[Seen], None]] = {
            addresses.topic: self.tally.event,
            addresses.predictions: self.tally.prediction,
            addresses.dead_letters: self.tally.dead_letter,
            addresses.outcomes: self.tally.outcome,
            addresses.alerts: self.tally.signal,
        }

    async def run(self) -> None:
        """Read until cancelled."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._addresses.bootstrap_servers,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_min_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=_POLL_MS,
        )
        await consumer.start()
        scraping = asyncio.ensure_future(self._scrape())
        try:
            consumer.assign(self._partitions)
            while True:
                fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_ROWS_AT_ONCE)
                for partition, records in fetched.items():
                    sink = self._sinks[partition.topic]
                    for each in records:
                        sink(Seen(each.partition, each.offset, each.timestamp, each.key, each.value, each.headers))
                # Records that are waiting already are handed over without giving anybody else a turn.
                await asyncio.sleep(0)
        finally:
            scraping.cancel()
            await asyncio.gather(scraping, return_exceptions=True)
            await consumer.stop()

    async def _scrape(self) -> None:
        while True:
            self.metrics = await asyncio.to_thread(scrape, self._addresses.metrics_port)
            await asyncio.sleep(_SCRAPE_S)
