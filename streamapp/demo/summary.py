"""How a demo ended."""

from collections.abc import Mapping
from enum import Enum

from rich.console import Console, Group, RenderableType
from rich.table import Table

from streamapp.demo.balance import Balance
from streamapp.demo.rollout import WINNING, RolloutWatch
from streamapp.demo.tally import Quality, Tally

JUDGED_LABELS = 10_000
"""Labels from which on a rollout has had the time to end."""
COMPARED_LABELS = 2_000
"""Labels of each variant on the same days before its AUC is held against it; with few the difference is chance."""


class Contest(Enum):
    """How the challenger did, by the labels of the days on which both answered."""

    WON = "by labels of the same days the challenger is better than the champion"
    NOT_WON = "by labels of the same days the challenger IS NOT BETTER than the champion"
    OPEN = "too few labels of the same days to say whether the challenger is better than the champion"


def contest(same_days: Mapping[str, Quality]) -> Contest:
    """Compare the two variants by `Tally.quality_of_same_days`."""
    if not same_days or same_days["champion"].rows < COMPARED_LABELS:
        return Contest.OPEN
    return Contest.WON if same_days["challenger"].auc > same_days["champion"].auc else Contest.NOT_WON


def succeeded(
    balance: Balance,
    quality: Mapping[str, Quality],
    same_days: Mapping[str, Quality],
    *,
    as_it_should: bool,
    contested: bool = True,
) -> bool:
    """Whether every event was answered once, the rollout ended as it should if there was time for it, and the
    challenger, where it was the one rolled out and can be judged, beat the champion."""
    lost = contested and contest(same_days) is Contest.NOT_WON
    return balance.holds and not lost and (as_it_should or _short(quality))


def _short(quality: Mapping[str, Quality]) -> bool:
    """Whether so few labels came back that no rollout can be expected to have ended."""
    return sum(each.rows for each in quality.values()) < JUDGED_LABELS


def show_summary(console: Console, balance: Balance, tally: Tally, rollout: RolloutWatch, seconds: float) -> None:
    """Print the tables, what the rollout came to, and the verdict."""
    same_days = tally.quality_of_same_days()
    quality = _quality(tally.quality_by_month(), tally.quality(), same_days)
    console.print(Group(_balance(balance), quality, _flow(tally, seconds)))
    if rollout.rollout is not None:
        ended = rollout.rollout
        said = f"the rollout of version {ended.version} is {ended.status}: {ended.reason}"
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    verdict = "balances" if balance.holds else "DOES NOT BALANCE"
    console.print(f"events in = predictions + dead letters: {verdict}", highlight=False)
    if rollout.plot is WINNING:
        console.print(contest(same_days).value, highlight=False)


def _balance(balance: Balance) -> RenderableType:
    table = Table(title="every event, once", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    rows = (
        ("events in", balance.events),
        ("predictions", balance.predictions),
        ("dead letters", balance.dead_letters),
        ("missing", len(balance.missing)),
        ("in both", len(balance.both)),
        ("answers to no event", len(balance.phantoms)),
        ("under another id", len(balance.mistaken)),
        ("answered again (at least once)", balance.repeats),
        ("healthy but refused", len(balance.refused)),
        ("broken but answered", len(balance.accepted)),
    )
    for name, count in rows:
        table.add_row(name, f"{count:,}")
    return table


def _quality(
    months: Mapping[str, Mapping[str, Quality]], overall: Mapping[str, Quality], same_days: Mapping[str, Quality]
) -> RenderableType:
    table = Table(title="AUC by month of departure", title_justify="left")
    variants = list(overall)
    table.add_column("month")
    table.add_column("flights", justify="right")
    table.add_column("late", justify="right")
    for name in variants:
        table.add_column(name, justify="right")
    for month, quality in [*months.items(), ("all", overall)]:
        rows = sum(each.rows for each in quality.values())
        late = sum(each.base_rate * each.rows for each in quality.values())
        aucs = [f"{quality[name].auc:.3f}" if name in quality else "-" for name in variants]
        table.add_row(month, f"{rows:,}", f"{late / rows:.1%}" if rows else "-", *aucs)
    if same_days:
        aucs = [f"{same_days[name].auc:.3f}" if name in same_days else "-" for name in variants]
        table.add_row("same days", f"{2 * same_days['champion'].rows:,}", "", *aucs)
    losses = [f"{overall[name].log_loss:.3f}" for name in variants]
    table.add_section()
    table.add_row("log loss", "", "", *losses)
    return table


def _flow(tally: Tally, seconds: float) -> RenderableType:
    p50, p95, p99 = tally.latency_ms()
    table = Table(title="flow", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("events/s over the replay", f"{tally.answers / seconds:,.0f}")
    table.add_row("broker to broker, p50 / p95 / p99", f"{p50:.0f} / {p95:.0f} / {p99:.0f} ms")
    table.add_row("outcomes", f"{tally.outcomes:,}")
    table.add_row("youngest weather used", f"{tally.youngest_age_s:.0f} s old")
    table.add_row("drift signals", f"{sum(tally.signals_by_feature.values()):,}")
    worst = tally.signals_by_feature.most_common(3)
    table.add_row("most often", ", ".join(f"{variant} {what} ({count})" for (variant, what), count in worst) or "-")
    return table
