"""The watch over a worker: what it warns of, what it ends the process for, what it says of the worker."""

import asyncio
import logging
import threading

import pytest

from streamapp.kafka.ledger import Partition
from streamapp.kafka.watch import STUCK, Watch
from streamapp.kafka.watchdog import Reading, Work
from streamapp.testing.clock import ManualClock

WORK = Work("answer", Partition("flights", 3))


class Told:
    """A worker that says what it is told to say."""

    def __init__(self, reading: Reading) -> None:
        self.now = reading

    def reading(self) -> Reading:
        return self.now


class Bench:
    """A watch whose thread is not started: the test looks, on a clock of its own."""

    def __init__(self, limit_s: float | None, reading: Reading) -> None:
        self.worker = Told(reading)
        self.clock = ManualClock()
        self.ended: list[int] = []
        loop = asyncio.get_running_loop()
        self.watch = Watch(self.worker, loop, limit_s, clock=self.clock, end=self.ended.append)

    async def pass_s(self, seconds: int) -> None:
        for _ in range(seconds):
            self.watch.ask()
            await asyncio.sleep(0)
            self.clock.advance(1.0)
            if await asyncio.to_thread(self.watch.look):
                return

    async def block_s(self, seconds: int) -> None:
        """The loop answers nothing meanwhile."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            if self.watch.look():
                return


async def test_half_the_limit_warns_and_the_whole_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(20.0, Reading("working", {WORK: 812}, oldest_in_flight_s=19.0))
    await bench.pass_s(9)
    assert not bench.watch.health().stuck
    with caplog.at_level(logging.WARNING):
        await bench.pass_s(4)
        health = bench.watch.health()
        assert [stall.work for stall in health.stuck] == [WORK]
        assert not health.over
        assert bench.ended == []
        await bench.pass_s(20)
    assert bench.ended == [STUCK]
    assert bench.watch.health().over
    warning, error, threads = caplog.messages
    assert "flights 3 stands at offset 812" in warning
    assert "flights 3 stands at offset 812 for 20 s: records are not answered" in error
    assert "oldest batch in flight 19 s" in error
    assert "raise worker.progress_timeout_s" in error
    assert "MainThread" in threads


async def test_a_loop_that_does_not_answer_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(20.0, Reading("working"))
    await bench.pass_s(5)
    assert bench.watch.health().silent_s == 1.0
    await bench.block_s(19)
    assert bench.ended == []
    assert bench.watch.health().silent_s == 20.0
    await bench.block_s(5)
    assert bench.ended == [STUCK]
    assert "the event loop has not answered for 20 s" in caplog.text


async def test_a_process_that_was_stopped_is_not_ended_when_it_goes_on() -> None:
    bench = Bench(20.0, Reading("working", {WORK: 1}))
    await bench.pass_s(3)
    bench.clock.advance(3600)
    bench.watch.look()
    await bench.pass_s(2)
    assert bench.ended == []


async def test_a_worker_on_its_way_out_may_block_its_loop() -> None:
    bench = Bench(20.0, Reading("draining"))
    await bench.pass_s(2)
    await bench.block_s(100)
    assert bench.ended == []


@pytest.mark.parametrize("limit_s", [None, 0])
async def test_without_a_limit_nothing_is_ended(limit_s: float | None) -> None:
    bench = Bench(limit_s, Reading("working", {WORK: 1}))
    await bench.pass_s(300)
    await bench.block_s(300)
    assert bench.ended == []
    health = bench.watch.health()
    assert (health.stuck, health.over, health.phase) == ((), False, "working")


async def test_the_thread_looks_by_itself() -> None:
    ended = threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    told = Told(Reading("working", {WORK: 1}))
    watch = Watch(told, asyncio.get_running_loop(), 0.2, end=end, every_s=0.02)
    watch.start()
    assert await asyncio.to_thread(ended.wait, 10)
    watch.close()
    assert codes == [STUCK]
