import io

import pytest
from rich.console import Console

from streamapp.demo.figures import Figures
from streamapp.demo.plan import ReplayProgress
from streamapp.demo.screen import PlainLines, line, panels
from streamapp.demo.tally import Quality

NAN = float("nan")
START_MS = 1362114000000
PROGRESS = ReplayProgress(
    now_ms=START_MS + 3_600_000, start_ms=START_MS, end_ms=START_MS + 7_200_000, events=1_234, broken=1, outcomes=900,
    total_events=5_000, measurements=1, done=False,
)  # fmt: skip
RUNNING = Figures(
    progress=PROGRESS, answers=1_230, events_per_s=1_050.4, latency_ms=(17.2, 30.0, 41.0), rows_per_batch=48.2,
    weather_age_s=(1_900.0, 3_500.0), lag=4.0, cache_share=0.25, split={"champion": 600, "challenger": 630},
    quality={"champion": Quality(450, 0.651, 0.55, 0.25)}, outcomes=900, signals={("challenger", "plane:age"): 3},
    last_signals=[{"variant": "challenger", "feature": "plane:age", "detector": "adwin", "at": START_MS,
                   "value": 12.5, "reference": None}],
    dead_letters={"not_json": 2, "wrong_type": 1},
)  # fmt: skip
STARTING = Figures(None, 0, 0.0, (NAN, NAN, NAN), NAN, (NAN, NAN), 0.0, NAN, {}, {}, 0, {}, (), {})


def drawn(figures: Figures, width: int = 80) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(panels(figures))
    return console.export_text()


@pytest.mark.parametrize("width", [80, 140])
def test_everything_is_on_the_screen(width: int) -> None:
    shown = drawn(RUNNING, width)
    assert max(map(len, shown.splitlines())) <= width
    for what in ("2013-03-01 06:00 UTC", "1,050", "17 ms", "30 ms", "41 ms", "48", "32 min", "58 min", "25 %"):
        assert what in shown
    for what in ("champion", "0.651", "0.550", "49%", " 25%", "plane:age", "adwin", "12.5", "not_json 2, wrong_type 1"):
        assert what in shown


def test_before_the_first_answer_there_is_only_the_headline() -> None:
    assert "starting" in drawn(STARTING)
    assert "nan" not in drawn(STARTING)


def test_a_line_says_the_same() -> None:
    for what in ("answers 1,230", "17/30/41 ms", "AUC champion 0.651", "signals 3", "dead letters 3"):
        assert what in line(RUNNING)
    assert "nan" not in line(STARTING)


def test_lines_come_now_and_then() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    with PlainLines(console) as show:
        for at_s in (0.0, 1.0, 4.9, 5.1):
            show(RUNNING, at_s)
    assert console.export_text().count("answers") == 2
