import asyncio
import threading

import pytest

from streamapp.kafka.lane import Lane


async def test_calls_run_in_order_in_one_other_thread() -> None:
    lane = Lane("test")
    seen: list[int] = []
    threads = await asyncio.gather(
        *[lane.call(lambda i: (seen.append(i), threading.get_ident())[1], i) for i in range(20)]
    )
    lane.close()
    assert seen == list(range(20))
    assert len({*threads}) == 1
    assert threading.get_ident() not in threads


async def test_what_a_call_raises_reaches_its_caller_only() -> None:
    lane = Lane("test")

    def fail() -> None:
        raise KeyError("here")

    with pytest.raises(KeyError, match="here"):
        await lane.call(fail)
    assert await lane.call(int, "7") == 7
    lane.close()


async def test_an_abandoned_call_does_no_harm() -> None:
    lane = Lane("test")
    began, go_on = threading.Event(), threading.Event()
    task = asyncio.ensure_future(lane.call(lambda: (began.set(), go_on.wait())))
    await asyncio.get_running_loop().run_in_executor(None, began.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    assert await lane.call(int, "7") == 7
    lane.close()
