"""Where the detectors speak, pinned: the same River gives the same positions."""

from collections.abc import Callable

import numpy as np
import pytest

from streamapp.config.settings import DriftSettings, PipelineSettings
from streamapp.observe.drift import DriftMonitor, VariantDrift
from streamapp.observe.streams import streams_of
from streamapp.types import Float64, ScoredBatch, Signal, Variant

VARIANT = Variant("champion", "flights", "1")
N = 20_000


def _two_streams() -> Float64:
    """`level`: independent, +0.5 sigma at row 8 000 and back at 14 000. `slow`: AR(1) with 0.9, +2 sigma at 12 000."""
    rng = np.random.RandomState(7)
    rows = rng.normal(10, 2, (N, 2))
    rows[8000:, 0] += 1.0
    rows[14000:, 0] -= 1.0
    noise = rng.normal(0, 1, N)
    rows[0, 1] = noise[0]
    for i in range(1, N):
        rows[i, 1] = 0.9 * rows[i - 1, 1] + noise[i] * 0.19**0.5
    rows[12000:, 1] += 2
    return rows


def _run(rows: Float64, settings: DriftSettings, names: tuple[str, ...]) -> list[Signal]:
    return VariantDrift(settings, VARIANT, names).update(rows, 1000 * np.arange(len(rows), dtype=np.int64))


@pytest.mark.parametrize(
    ("detector", "positions"),
    [
        ("page_hinkley", [("level", 8160), ("slow", 12160), ("level", 14176)]),
        ("adwin", [("level", 8480), ("slow", 12576), ("level", 14656)]),
        ("kswin", [("slow", 13700)]),
    ],
)
def test_alarm_positions(detector: str, positions: list[tuple[str, int]]) -> None:
    settings = DriftSettings.model_validate({"detectors": [detector]})
    signals = _run(_two_streams(), settings, ("level", "slow"))
    assert [(s.feature, s.rows_seen) for s in signals] == positions
    assert {s.detector for s in signals} == {detector}


def test_a_signal_speaks_in_the_unit_of_its_stream() -> None:
    first = _run(_two_streams(), DriftSettings(), ("level", "slow"))[0]
    assert first.variant == VARIANT
    assert first.at_ms == (first.rows_seen - 1) * 1000
    assert first.reference == pytest.approx(10.0, abs=0.2)
    assert first.value == pytest.approx(10.8, abs=0.3)


def test_one_shift_is_one_report() -> None:
    rows = np.random.RandomState(3).normal(0, 1, (60_000, 1))
    rows[10_000:] += 1.0
    assert len(_run(rows, DriftSettings(), ("x",))) == 1


def test_independent_and_autocorrelated_noise_is_silent() -> None:
    rng = np.random.RandomState(5)
    rows = rng.normal(0, 1, (100_000, 8))
    for i in range(1, len(rows)):
        rows[i, 4:] = 0.9 * rows[i - 1, 4:] + 0.19**0.5 * rows[i, 4:]
    assert _run(rows, DriftSettings(), tuple("abcdefgh")) == []


def test_a_constant_is_silent_until_it_changes() -> None:
    rows = np.full((20_000, 1), 0.1)
    assert _run(rows, DriftSettings(), ("x",)) == []
    rows[12_000:] = 0.2
    signals = _run(rows, DriftSettings(), ("x",))
    assert len(signals) == 1
    assert 12_000 < signals[0].rows_seen < 12_000 + 32 * 8


def test_one_wild_block_is_no_drift() -> None:
    rows = np.random.RandomState(4).normal(0, 1, (20_000, 1))
    rows[12_000:12_020] = 1e9
    assert _run(rows, DriftSettings(), ("x",)) == []


def test_missing_values_are_counted_and_left_out() -> None:
    rows = np.random.RandomState(4).normal(50, 1, (9600, 2))
    rows[::3, 1] = np.nan
    rows[6400:, 1] = np.nan
    drift = VariantDrift(DriftSettings(), VARIANT, ("x", "y"))
    assert drift.update(rows, np.arange(9600, dtype=np.int64)) == []
    assert drift.missing.tolist() == [0, int(np.isnan(rows[:, 1]).sum())]


def test_signals_beyond_the_budget_are_counted_not_given() -> None:
    rows = np.random.RandomState(6).normal(0, 1, (20_000, 30))
    rows[10_000:] += 2.0
    times_ms = np.arange(len(rows), dtype=np.int64)
    names = tuple(f"f{i}" for i in range(30))
    drift = VariantDrift(DriftSettings(alarm_budget_per_day=5), VARIANT, names)
    assert len(drift.update(rows, times_ms)) == 5
    assert drift.suppressed >= 25


def test_each_variant_is_watched_on_the_rows_it_scored(
    pipeline: Callable[..., PipelineSettings], scored_batch: Callable[..., ScoredBatch], variants: tuple[Variant, ...]
) -> None:
    settings = pipeline(drift={"reference_rows": 400, "block_rows": 16})
    monitor = DriftMonitor(settings.drift, variants, streams_of(settings))
    signals: list[Signal] = []
    for i in range(40):
        batch = scored_batch(256, seed=i)
        if i >= 20:
            batch.features[1].values[:, 3] += 3.0
        signals.extend(monitor.observe(batch))
    assert {(s.variant.name, s.feature) for s in signals} == {("challenger", "weather:f3")}
