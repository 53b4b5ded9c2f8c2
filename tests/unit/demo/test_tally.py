import math

import numpy as np
import orjson
import pytest

from streamapp.demo.balance import Answer, balance
from streamapp.demo.figures import Gauge
from streamapp.demo.scrape import Scrape
from streamapp.demo.summary import COMPARED_LABELS, JUDGED_LABELS, Contest, contest, succeeded
from streamapp.demo.tally import Quality, Seen, Tally


def seen(value: object, *, offset: int = 0, timestamp_ms: int = 0, key: str = "", headers: object = ()) -> Seen:
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    return Seen(0, offset, timestamp_ms, key.encode(), raw, headers)  # type: ignore[arg-type]


MORNING_MS = 1362135600000


def prediction(
    flight_id: str, score: float, *, offset: int, variant: str = "champion", at_ms: int = 0, event_ms: int = MORNING_MS
) -> Seen:
    return seen(
        {
            "id": flight_id, "scores": {"late": score}, "variant": "a slot", "event_time": event_ms,
            "model_version": {"champion": "1", "challenger": "2"}[variant],
            "features": {"airport_weather": {"age_s": 60.0 * offset, "freshness": "fresh"}},
            "source": {"topic": "flights", "partition": 0, "offset": offset},
        },
        timestamp_ms=at_ms,
    )  # fmt: skip


def outcome(flight_id: str, late: bool) -> Seen:
    return seen({"flight_id": flight_id, "late": late, "arrived": 1})


def test_latency_is_from_the_events_record_to_the_answers_whichever_is_read_first() -> None:
    tally = Tally()
    tally.event(seen(b"", offset=0, timestamp_ms=1_000))
    tally.prediction(prediction("a", 0.1, offset=0, at_ms=1_010))
    tally.prediction(prediction("b", 0.1, offset=1, at_ms=1_050))
    tally.event(seen(b"", offset=1, timestamp_ms=1_020))
    assert list(tally.latencies_ms) == [10, 30]
    assert tally.latency_ms()[0] == 20.0


def test_a_label_finds_its_prediction_whichever_is_read_first() -> None:
    tally = Tally()
    tally.prediction(prediction("a", 0.9, offset=0))
    tally.outcome(outcome("a", True))
    tally.outcome(outcome("b", False))
    tally.prediction(prediction("b", 0.2, offset=1))
    tally.outcome(outcome("never asked", False))
    assert tally.outcomes == 3
    quality = tally.quality()["champion"]
    assert (quality.rows, quality.auc, quality.base_rate) == (2, 1.0, 0.5)
    assert quality.log_loss == pytest.approx(-(math.log(0.9) + math.log(0.8)) / 2)
    assert set(tally.quality_by_month()) == {"2013-03"}


@pytest.mark.parametrize(
    ("departure", "month"),
    [("2013-03-01T04:59", "2013-02"), ("2013-03-01T10:00", "2013-03"), ("2013-07-01T03:59", "2013-06")],
)
def test_a_month_is_new_yorks(departure: str, month: str) -> None:
    tally = Tally()
    event_ms = int(np.datetime64(departure, "ms").astype(np.int64))
    tally.prediction(prediction("a", 0.9, offset=0, event_ms=event_ms))
    tally.outcome(outcome("a", True))
    assert set(tally.quality_by_month()) == {month}


def test_a_dead_letter_names_the_event_it_stands_for() -> None:
    tally = Tally()
    headers = (
        ("__connect.errors.partition", b"0"),
        ("__connect.errors.offset", b"7"),
        ("streamapp.errors.code", b"not_json"),
    )
    tally.dead_letter(seen(b"{", key="a-x", headers=headers))
    assert tally.dead_letters == [Answer((0, 7), "a-x")]
    assert tally.dead_letters_by_code == {"not_json": 1}


def test_signals_are_counted_by_variant_and_feature() -> None:
    tally = Tally()
    for _ in range(2):
        tally.signal(seen({"variant": "champion", "feature": "hour", "detector": "adwin", "at": 1, "value": 2.0}))
    assert tally.signals_by_feature == {("champion", "hour"): 2}


PAGE = """# HELP streamapp_batch_rows rows
# TYPE streamapp_batch_rows histogram
streamapp_batch_rows_bucket{le="1.0"} 0.0
streamapp_batch_rows_count 4.0
streamapp_batch_rows_sum 100.0
streamapp_consumer_lag_records{partition="0",topic="flights"} 3.0
streamapp_consumer_lag_records{partition="0",topic="flights.outcomes"} 4.0
streamapp_cache_hits_total 30.0
streamapp_cache_misses_total 10.0
"""


def test_a_page_of_metrics() -> None:
    page = Scrape(PAGE)
    assert page.mean("streamapp_batch_rows") == 25.0
    assert math.isnan(page.mean("streamapp_end_to_end_seconds"))
    assert page.total("streamapp_consumer_lag_records") == 7.0
    assert page.total("streamapp_consumer_lag_records", topic="flights") == 3.0
    assert page.has("streamapp_consumer_lag_records", topic="flights")
    assert not page.has("streamapp_consumer_lag_records", topic="other")


def test_figures_of_a_moment() -> None:
    tally, gauge = Tally(), Gauge()
    gauge.look(tally, None, None, 10.0)
    for offset in range(6):
        tally.prediction(prediction(f"{offset}", 0.5, offset=offset))
    figures = gauge.look(tally, Scrape(PAGE), None, 12.0)
    assert figures.events_per_s == 3.0
    assert figures.split == {"champion": 6}
    assert figures.lag == 7.0
    assert figures.cache_share == 0.75
    assert figures.weather_age_s[0] == 150.0


def quality(champion: float, challenger: float, rows: int) -> dict[str, Quality]:
    return {"champion": Quality(rows, champion, 0.5, 0.2), "challenger": Quality(rows, challenger, 0.5, 0.2)}


def test_the_challenger_has_to_win_once_there_are_labels_enough() -> None:
    nothing_lost, all_year = balance([], [], []), quality(0.65, 0.65, JUDGED_LABELS)
    won, not_won = quality(0.65, 0.69, COMPARED_LABELS), quality(0.65, 0.65, COMPARED_LABELS)
    few = quality(0.67, 0.65, COMPARED_LABELS - 1)
    assert [contest(each) for each in (won, not_won, few, {})] == [
        Contest.WON,
        Contest.NOT_WON,
        Contest.OPEN,
        Contest.OPEN,
    ]
    assert succeeded(nothing_lost, all_year, won, as_it_should=True)
    assert not succeeded(nothing_lost, all_year, not_won, as_it_should=True)
    assert succeeded(nothing_lost, all_year, few, as_it_should=True)
    # A rollout has to end well once there was time for it.
    assert not succeeded(nothing_lost, all_year, won, as_it_should=False)
    assert succeeded(nothing_lost, quality(0.65, 0.69, 2_000), won, as_it_should=False)
    assert succeeded(nothing_lost, all_year, not_won, as_it_should=True, contested=False)


def fly(tally: Tally, place: int, variant: str, day: int, score: float, late: bool) -> None:
    event_ms = MORNING_MS + day * 86_400_000
    tally.prediction(prediction(f"{place}", score, offset=place, variant=variant, event_ms=event_ms))
    tally.outcome(outcome(f"{place}", late))


def test_the_variants_are_compared_on_days_on_which_both_answered() -> None:
    tally, place = Tally(), 0
    for variant, day, scores in (
        ("champion", 0, (0.9, 0.8, 0.2, 0.1)),  # alone: AUC 1
        ("champion", 1, (0.5, 0.5, 0.5, 0.5)),  # AUC 0.5
        ("challenger", 1, (0.9, 0.1, 0.2, 0.05)),  # AUC 0.75
        ("challenger", 2, (0.1, 0.2, 0.8, 0.9)),  # alone: AUC 0
    ):
        for score, late in zip(scores, (True, True, False, False), strict=True):
            place += 1
            fly(tally, place, variant, day, score, late)
    assert tally.quality()["champion"].auc > tally.quality()["challenger"].auc
    found = tally.quality_of_same_days()
    assert (found["champion"].auc, found["challenger"].auc) == (0.5, 0.75)
    assert (found["champion"].rows, found["challenger"].rows) == (4, 4)


def test_a_day_counts_alike_for_both_whatever_their_shares() -> None:
    """The same answers, but for the share that each has of the two days."""
    tally, place = Tally(), 0
    for day, scores in ((0, (0.9, 0.1)), (1, (0.3, 0.7))):
        for variant, times in (("champion", (8, 2)[day]), ("challenger", (2, 8)[day])):
            for _ in range(times):
                for score, late in zip(scores, (True, False), strict=True):
                    place += 1
                    fly(tally, place, variant, day, score, late)
    assert tally.quality()["champion"].auc > tally.quality()["challenger"].auc
    found = tally.quality_of_same_days()
    assert found["champion"] == found["challenger"]
    # Of four pairs of days one is in the wrong order.
    assert (found["champion"].auc, found["champion"].rows, found["champion"].base_rate) == (0.75, 8, 0.5)


def test_variants_that_never_met_are_not_compared() -> None:
    tally = Tally()
    assert tally.quality_of_same_days() == {}
    fly(tally, 1, "champion", 0, 0.5, late=True)
    fly(tally, 2, "challenger", 1, 0.5, late=True)
    assert tally.quality_of_same_days() == {}


def test_a_lost_event_is_no_success_whoever_wins() -> None:
    unbalanced, won = balance([], [Answer((0, 0), "a")], []), quality(0.65, 0.69, JUDGED_LABELS)
    assert not succeeded(unbalanced, won, won, as_it_should=True)
