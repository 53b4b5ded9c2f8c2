"""The events of the workloads, seeded: event number n is the same in every run and for every contender."""

from collections.abc import Iterator

import numpy as np
import orjson

COLUMNS = tuple(f"f{index}" for index in range(8))
START_MS = 1_700_000_000_000
_CHUNK = 10_000


def tabular(count: int, users: int) -> Iterator[bytes]:
    """Events of 8 numbers, an id, a time and a user in [0, users)."""
    for start in range(0, count, _CHUNK):
        random = np.random.default_rng(start)
        rows = random.normal(0, 1, (_CHUNK, len(COLUMNS))).round(4).tolist()
        who = random.integers(0, users, _CHUNK).tolist()
        for number, row, user in zip(range(start, min(count, start + _CHUNK)), rows, who, strict=False):
            event = {"id": f"e{number:08d}", "at": START_MS + number, "user": user}
            yield orjson.dumps({**event, **dict(zip(COLUMNS, row, strict=True))})


def sweeping(count: int, users: int) -> Iterator[bytes]:
    """Tabular events that go through all users in order, over and over."""
    for number, value in enumerate(tabular(count, users)):
        yield orjson.dumps({**orjson.loads(value), "user": number % users})


def pixels(count: int) -> Iterator[bytes]:
    """Crayfish's events: 784 float32 as one comma-separated string."""
    images = np.random.default_rng(784).random((512, 784)).astype(np.float32)
    texts = [",".join(map(str, image.tolist())) for image in images]
    for number in range(count):
        yield orjson.dumps({"id": f"e{number:08d}", "at": START_MS + number, "pixels": texts[number % len(texts)]})
