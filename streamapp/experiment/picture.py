"""The sequences narrowing, as an SVG: one panel per metric and treatment, units of both sides along x."""

import math
from html import escape

from streamapp.experiment.interval import Interval
from streamapp.experiment.report import Report

_WIDTH, _PANEL, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 220, 84, 16, 34, 34


def picture(report: Report) -> str:
    """The SVG's text. Early intervals reach beyond the panel; the last half of the looks sets its height."""
    panels = [_panel(report, key, number * _PANEL) for number, key in enumerate(report.comparisons)]
    height = _PANEL * len(panels)
    style = (
        "text{font:12px sans-serif;fill:#333}.band{fill:#9ecae1;stroke:none}.line{fill:none;stroke:#08519c;"
        "stroke-width:1.5}.zero{stroke:#d62728;stroke-dasharray:4 3}.margin{stroke:#e69f00;stroke-dasharray:2 3}"
        ".frame{fill:none;stroke:#999}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(report.plan.name)}"><style>{style}</style>'
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>{"".join(panels)}</svg>\n'
    )


def _panel(report: Report, key: tuple[str, str], offset: int) -> str:
    path = [(look.units, look.intervals[key]) for look in report.looks]
    path = [(units, interval) for units, interval in path if math.isfinite(interval.width)]
    metric, treatment = key
    level = 100 * (1 - report.plan.alpha / len(report.plan.treatments))
    title = f"{metric}: {treatment} − {report.plan.control}, {level:.4g} % at every moment"
    head = f'<g transform="translate(0 {offset})"><text x="{_LEFT}" y="22">{escape(title)}</text>'
    x0, x1, y0, y1 = _LEFT, _WIDTH - _RIGHT, _TOP, _PANEL - _BOTTOM
    frame = f'<rect class="frame" x="{x0}" y="{y0}" width="{x1 - x0}" height="{y1 - y0}"/>'
    if not path:
        return f'{head}{frame}<text x="{x0 + 12}" y="{y0 + 24}">too few units to say anything</text></g>'
    chosen = next(m for m in report.plan.metrics if m.name == metric)
    limit = None if chosen.margin is None else (-chosen.margin if chosen.better.value == "higher" else chosen.margin)
    low, high = _reach([interval for _, interval in path], limit)
    most = max(units for units, _ in path)

    def x(units: float) -> str:
        return f"{x0 + (x1 - x0) * units / most:.1f}"

    def y(value: float) -> str:
        return f"{y1 - (y1 - y0) * (min(max(value, low), high) - low) / (high - low):.1f}"

    upper = [f"{x(units)},{y(i.upper)}" for units, i in path]
    lower = [f"{x(units)},{y(i.lower)}" for units, i in reversed(path)]
    middle = [f"{x(units)},{y(i.estimate)}" for units, i in path]
    marks = "".join(
        f'<line class="{kind}" x1="{x0}" x2="{x1}" y1="{y(value)}" y2="{y(value)}"/>'
        for kind, value in (("zero", 0.0), ("margin", limit))
        if value is not None
    )
    labels = "".join(
        f'<text x="{x0 - 6}" y="{float(y(value)) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        for value in (low, 0.0, high)
    )
    return (
        f'{head}<polygon class="band" points="{" ".join(upper + lower)}"/>'
        f'<polyline class="line" points="{" ".join(middle)}"/>{marks}{frame}{labels}'
        f'<text x="{x0}" y="{y1 + 18}">0</text><text x="{x1}" y="{y1 + 18}" text-anchor="end">{most:,} units</text></g>'
    )


def _reach(path: list[Interval], limit: float | None) -> tuple[float, float]:
    late = path[len(path) // 2 :]
    found = [0.0, *(i.lower for i in late), *(i.upper for i in late), *([] if limit is None else [limit])]
    low, high = min(found), max(found)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room
