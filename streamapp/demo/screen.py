"""The live view of a running demo: panels on a terminal, or a line now and then."""

import math
from collections.abc import Callable, Iterable
from datetime import datetime, timezone

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streamapp.demo.figures import Figures
from streamapp.demo.plan import ReplayProgress

_LINE_EVERY_S = 5.0
_ROLLOUT_LINES = 5


class LiveScreen:
    """Redraws panels in place; `show` may be called as often as one likes."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Callable[[Figures, float], None]:
        self._live.start()
        return self._show

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def _show(self, figures: Figures, monotonic_s: float) -> None:
        self._live.update(panels(figures), refresh=True)


class PlainLines:
    """A line every few seconds, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown_s = float("-inf")
        self._said = 0

    def __enter__(self) -> Callable[[Figures, float], None]:
        return self._show

    def __exit__(self, *error: object) -> None:
        """Nothing to restore."""

    def _show(self, figures: Figures, monotonic_s: float) -> None:
        for said in figures.rollout[self._said :]:
            self._console.print(f"rollout: {said}", soft_wrap=True, highlight=False, markup=False)
        self._said = len(figures.rollout)
        if figures.progress is not None and monotonic_s - self._shown_s >= _LINE_EVERY_S:
            self._shown_s = monotonic_s
            self._console.print(line(figures), soft_wrap=True, highlight=False, markup=False)


def line(figures: Figures) -> str:
    """The essence in one line."""
    p50, p95, p99 = figures.latency_ms
    quality = " ".join(f"{name} {each.auc:.3f}" for name, each in figures.quality.items())
    signals, refused = sum(figures.signals.values()), sum(figures.dead_letters.values())
    return (
        f"{_moment(figures.progress)}  answers {figures.answers:,}  {figures.events_per_s:,.0f}/s  "
        f"p50/p95/p99 {_shown(p50)}/{_shown(p95)}/{_shown(p99, 'ms')}  {_shown(figures.rows_per_batch)} rows/batch  "
        f"weather {_age(figures.weather_age_s[0])}  lag {_shown(figures.lag)}  outcomes {figures.outcomes:,}  "
        f"AUC {quality or '-'}  signals {signals}  dead letters {refused}"
    )


def panels(figures: Figures) -> RenderableType:
    """Everything, in panels; before the first answer only the headline."""
    if not figures.answers:
        return _headline(figures)
    beside = Table.grid(padding=(0, 2))
    beside.add_row(_flow(figures), Group(_variants(figures), Text(), _refused(figures)))
    return Group(_headline(figures), beside, Text(), _rollout(figures), Text(), _drift(figures))


def _headline(figures: Figures) -> RenderableType:
    progress = figures.progress
    if progress is None:
        return Panel("the worker and the replay are starting", title="flights out of New York, 2013")
    bar = ProgressBar(
        total=progress.end_ms - progress.start_ms, completed=progress.now_ms - progress.start_ms, width=40
    )
    row = Table.grid(padding=(0, 2))
    row.add_row(_moment(progress), bar, f"{progress.events:,} of {progress.total_events:,} events")
    return Panel(row, title="flights out of New York, 2013")


def _flow(figures: Figures) -> RenderableType:
    p50, p95, p99 = figures.latency_ms
    return _facts(
        "broker to broker",
        (
            ("events/s", f"{figures.events_per_s:,.0f}"),
            ("latency p50", _shown(p50, "ms")),
            ("latency p95", _shown(p95, "ms")),
            ("latency p99", _shown(p99, "ms")),
            ("rows per batch", _shown(figures.rows_per_batch)),
            ("lag", _shown(figures.lag)),
            ("weather p50", _age(figures.weather_age_s[0])),
            ("weather p99", _age(figures.weather_age_s[1])),
            ("features cached", _shown(figures.cache_share * 100, "%")),
        ),
    )


def _variants(figures: Figures) -> RenderableType:
    table = Table(title="variants, by the labels that came back", title_justify="left", box=None, pad_edge=False)
    for name in ("variant", "answers", "share", "labels", "late", "AUC", "loss"):
        table.add_column(name, justify="left" if name == "variant" else "right")
    total = sum(figures.split.values())
    for name, answers in figures.split.items():
        quality = figures.quality.get(name)
        judged = (
            (f"{quality.rows:,}", f"{quality.base_rate:.0%}", f"{quality.auc:.3f}", f"{quality.log_loss:.3f}")
            if quality
            else ("-",) * 4
        )
        table.add_row(name, f"{answers:,}", f"{answers / total:.0%}", *judged)
    return table


def _refused(figures: Figures) -> RenderableType:
    counts = (f"{code} {count:,}" for code, count in figures.dead_letters.items())
    return Text(f"dead letters: {', '.join(counts) or 'none yet'}")


def _rollout(figures: Figures) -> RenderableType:
    if not figures.rollout:
        return Text("the rollout begins when labels come back")
    return Group(Text("rollout"), *(Text(f"  {said}") for said in figures.rollout[-_ROLLOUT_LINES:]))


def _drift(figures: Figures) -> RenderableType:
    if not figures.last_signals:
        return Text("no drift signals yet")
    table = Table(title="drift signals", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("when", "variant", "feature", "detector", "was", "is", "so far"):
        table.add_column(name)
    for signal in reversed(figures.last_signals):
        variant, feature = str(signal["variant"]), str(signal["feature"])
        table.add_row(
            _day(signal["at"]),
            variant,
            feature,
            str(signal["detector"]),
            _number(signal["reference"]),
            _number(signal["value"]),
            str(figures.signals.get((variant, feature), 0)),
        )
    return table


def _facts(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    return table


def _moment(progress: ReplayProgress | None) -> str:
    if progress is None:
        return "-"
    return datetime.fromtimestamp(progress.now_ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _day(at_ms: object) -> str:
    if not isinstance(at_ms, int):
        return "-"
    return datetime.fromtimestamp(at_ms / 1000, timezone.utc).strftime("%b %d %H:%M")


def _age(age_s: float) -> str:
    return _shown(age_s / 60, "min")


def _shown(value: float, unit: str = "") -> str:
    """Rounded, with its unit; a dash where it is not known yet."""
    return "-" if math.isnan(value) else f"{value:,.0f} {unit}".rstrip()


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "-"
