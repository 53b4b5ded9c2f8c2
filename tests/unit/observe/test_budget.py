from streamapp.observe.budget import AlarmBudget

HOUR_MS = 3_600_000


def test_no_24_hours_hold_more_than_the_budget() -> None:
    budget = AlarmBudget(3)
    granted = [hour for hour in range(60) if budget.take(hour * HOUR_MS)]
    assert granted == [0, 1, 2, 24, 25, 26, 48, 49, 50]
    assert budget.suppressed == 51


def test_less_than_one_a_day() -> None:
    budget = AlarmBudget(0.5)
    assert [hour for hour in range(100) if budget.take(hour * HOUR_MS)] == [0, 48, 96]


def test_event_time_that_goes_back_buys_nothing() -> None:
    budget = AlarmBudget(1)
    assert budget.take(100 * HOUR_MS)
    assert not budget.take(10 * HOUR_MS)
    assert not budget.take(110 * HOUR_MS)
    assert budget.take(124 * HOUR_MS)
