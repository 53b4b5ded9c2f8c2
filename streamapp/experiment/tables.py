"""What the command prints."""

import json
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamapp.experiment.report import Report

_WIDE = 160


def print_report(report: Report) -> None:
    """One row per metric and treatment, the sample-ratio check, and what to mind."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
    units = ", ".join(f"{variant} {count:,}" for variant, count in report.units.items())
    console.print(Text(f"{report.plan.name}: units {units}; alpha {report.plan.alpha:g} at every moment"))
    table = Table("metric", "treatment", "control", "mean", "difference", "lower", "upper", box=None)
    for name in ("CUPED", "result", "guardrail", "coverage"):
        table.add_column(name)
    for (metric, treatment), found in report.comparisons.items():
        interval = found.interval
        numbers = (found.control.mean, found.treatment.mean, interval.estimate, interval.lower, interval.upper)
        cuped = f"-{100 * found.reduction:.0f} % variance" if found.theta else ""
        guardrail = found.guardrail.value if found.guardrail else ""
        ends = (cuped, found.result.value, guardrail, "exact" if interval.exact else "asymptotic")
        table.add_row(*map(Text, (metric, treatment, *(f"{number:.5g}" for number in numbers), *ends)))
    console.print(table)
    console.print(Text(f"sample ratio: p = {report.p_value:.3g}{', ALARM' if report.alarm else ''}"))
    for note in report.notes:
        console.print(Text(f"note: {note}"))


def to_json(report: Report) -> str:
    """One object, a line of its own."""
    return json.dumps(report.to_dict(), allow_nan=False) + "\n"


def print_json(report: Report) -> None:
    """The same, on stdout."""
    sys.stdout.write(to_json(report))
