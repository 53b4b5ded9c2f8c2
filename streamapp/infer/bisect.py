"""Find the bad rows of a failing batch."""

from collections.abc import Callable
from typing import TypeVar

from streamapp.errors import InferenceError

T = TypeVar("T")


def bisect(
    count: int, attempt: Callable[[int, int], T], failed: bool = False
) -> tuple[list[tuple[int, int, T]], dict[int, InferenceError]]:
    """Score rows [0, count) by calling `attempt(start, stop)`, which raises `InferenceError` for a bad range.

    Gives the healthy ranges with what `attempt` returned, in row order, and the single rows that failed with their
    errors; together they cover every row once. failed: the whole range is known to fail, don't try it again.
    With k bad rows among n it takes at most 1 + 2k ceil(log2 n) calls; any other exception passes through.
    """
    good: list[tuple[int, int, T]] = []
    bad: dict[int, InferenceError] = {}
    pending = [(0, count, failed)] if count else []
    while pending:
        start, stop, known_bad = pending.pop()
        if not known_bad or stop - start == 1:
            try:
                good.append((start, stop, attempt(start, stop)))
                continue
            except InferenceError as error:
                if stop - start == 1:
                    bad[start] = error
                    continue
        middle = (start + stop) // 2
        pending.append((middle, stop, False))
        pending.append((start, middle, False))
    return good, bad
