"""What a suite found, as a table and as JSON."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that must be reached: at least `limit`, or at most if `at_most`."""

    name: str
    value: float
    limit: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass(frozen=True, slots=True)
class Result:
    """figures: label -> one value per round, in `unit`."""

    title: str
    unit: str
    figures: dict[str, list[float]]
    targets: Sequence[Target] = ()
    notes: Sequence[str] = field(default=())

    def median(self, label: str) -> float:
        return statistics.median(self.figures[label])

    def ratio(self, label: str, to: str) -> float:
        """Median of one contender over the median of another."""
        return self.median(label) / self.median(to)


def to_json(result: Result) -> dict[str, Any]:
    """With medians and verdicts spelt out."""
    medians = {label: statistics.median(values) for label, values in result.figures.items()}
    targets = [{**asdict(target), "met": target.met} for target in result.targets]
    return {**asdict(result), "medians": medians, "targets": targets}


def table(result: Result) -> str:
    """Markdown: medians with their spread, then the targets."""
    lines = [
        f"\n### {result.title}\n",
        f"| | median, {result.unit} | lowest | highest | runs |",
        "|---|---:|---:|---:|---:|",
    ]
    for label, values in result.figures.items():
        low, middle, high = (_written(value) for value in (min(values), statistics.median(values), max(values)))
        lines.append(f"| {label} | {middle} | {low} | {high} | {len(values)} |")
    if result.targets:
        lines += ["", "| target | measured | wanted | |", "|---|---:|---:|---|"]
    for target in result.targets:
        wanted = f"{'at most' if target.at_most else 'at least'} {_written(target.limit)}"
        lines.append(f"| {target.name} | {_written(target.value)} | {wanted} | {'met' if target.met else 'MISSED'} |")
    return "\n".join([*lines, *(f"\n{note}" for note in result.notes)])


def _written(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"
