"""A problem in a pipeline file, and how a list of them reads.

pipeline.yaml:12:3: batching.max_batch_sise: unknown key
  -> did you mean `max_batch_size`?
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Where a value sits in the tree: keys of sections, indices of lists."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a text, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where, and what to do about it.

    place is None for a value that came from the command line; `origin` then holds that argument, else the
    file's name.
    """

    origin: str
    place: Place | None
    path: Path
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.origin}:{self.place.line}:{self.place.column}" if self.place else self.origin
        name = dotted(self.path)
        key = f"{name}: " if name and not (self.place is None and self.origin.endswith(name)) else ""
        tail = f"\n  -> {self.remedy}" if self.remedy else ""
        return f"{where}: {key}{self.message}{tail}"


def dotted(path: Path) -> str:
    """`features.views[0]`: keys joined by dots, indices in brackets."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The command line's first, then by line and column."""
    return tuple(sorted(problems, key=lambda p: (p.place.line, p.place.column) if p.place else (0, 0)))


def render(problems: Sequence[Problem]) -> str:
    """All problems as one message."""
    lines = "\n".join(str(problem) for problem in problems)
    return lines if len(problems) < 2 else f"{len(problems)} problems:\n{lines}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be, if any comes close."""
    candidates = {name.lower(): name for name in known}
    matches = difflib.get_close_matches(word.lower(), candidates, n=1, cutoff=0.6)
    return candidates[matches[0]] if matches else None


def suggestion(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """What to say about an unknown word: the nearest one, else all of them (or `otherwise` if there are none)."""
    names = sorted(known)
    near = nearest(word, names)
    if near is not None:
        return f"did you mean `{near}`?"
    return f"known here: {', '.join(names)}" if names else otherwise
