"""The figures of every case: a JSON line each, and a table over them."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.faults.oracle import LOST, Verdict


@dataclass(frozen=True, slots=True)
class Line:
    """One run of a case. recovery_s: the longest, 0 where the case measures none. caught: kinds of failure found."""

    case: str
    delivery: str
    control: str
    kafka: str
    run: int
    seed: int
    events: int
    kills: int
    lost: int
    repeats: int
    bound: int
    recovery_s: float
    caught: tuple[str, ...]
    figures: Mapping[str, float]

    @property
    def good(self) -> bool:
        """Clean, or for a control: not."""
        return bool(self.caught) == bool(self.control)


def _line(written: dict[str, Any]) -> Line:
    return Line(
        **{name: value for name, value in written.items() if name not in ("good", "caught")},
        caught=tuple(written["caught"]),
    )


def line_of(verdict: Verdict, *, case: str, delivery: str, control: str, kafka: str, run: int, seed: int) -> Line:
    """A verdict as a line of the report."""
    figures = dict(verdict.figures)
    return Line(
        case,
        delivery,
        control,
        kafka,
        run,
        seed,
        verdict.events,
        int(figures.pop("kills", 0)),
        len(verdict.findings.get(LOST, ())),
        verdict.repeats,
        verdict.bound,
        round(figures.pop("recovery_s", 0.0), 2),
        tuple(sorted(verdict.kinds)),
        {name: round(value, 3) for name, value in figures.items()},
    )


_HEAD = (
    *("case", "delivery", "planted bug", "runs", "Kafka", "events", "kills", "lost", "repeats", "allowed"),
    *("recovery s, max", "verdict"),
)


class Report:
    """`<name>.jsonl`, written as cases end, and `<name>.md` over all of it. Several processes may write."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._json, self._table = folder / f"{name}.jsonl", folder / f"{name}.md"

    def clear(self) -> None:
        """Forget earlier sessions."""
        self._json.write_text("")

    def add(self, line: Line) -> None:
        with self._json.open("a") as file:
            file.write(json.dumps({**asdict(line), "good": line.good}) + "\n")

    def lines(self) -> list[Line]:
        """What has been added so far."""
        return [_line(json.loads(text)) for text in self._json.read_text().splitlines()]

    def close(self) -> None:
        self._table.write_text(table(self.lines()))


def table(lines: Sequence[Line]) -> str:
    """Markdown: a row per case, mode and control over all of its runs."""
    groups: defaultdict[tuple[str, str, str], list[Line]] = defaultdict(list)
    for line in lines:
        groups[line.case, line.delivery, line.control].append(line)
    rows = ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    for (case, delivery, control), runs in groups.items():
        caught = sorted({kind for line in runs for kind in line.caught})
        word = ("caught: " if control else "FAILED: ") + ", ".join(caught) if caught else "clean"
        if not all(line.good for line in runs):
            word = f"**{word}**" if caught else "**NOT CAUGHT**"
        cells = [
            case,
            delivery,
            control or "–",
            len(runs),
            ", ".join(sorted({line.kafka for line in runs})),
            sum(line.events for line in runs),
            sum(line.kills for line in runs),
            sum(line.lost for line in runs),
            sum(line.repeats for line in runs),
            sum(line.bound for line in runs),
            max(line.recovery_s for line in runs) or "–",
            word,
        ]
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(rows) + "\n"
