"""The report: a clean case is good, a control is good when it was caught."""

import json
from pathlib import Path

from tests.faults.oracle import LOST, Verdict
from tests.faults.recorder import Line, Report, line_of

CLEAN = Verdict(100, {}, 3, 10, {"kills": 2, "recovery_s": 3.456, "exit_s": 1.0})
BROKEN = Verdict(100, {LOST: ["events/0/1", "events/0/2"]}, 0, 0)


def line(verdict: Verdict, control: str = "", run: int = 0) -> Line:
    return line_of(
        verdict, case="1: kills", delivery="at_least_once", control=control, kafka="4.4.0", run=run, seed=run
    )


def test_good_is_clean_or_caught() -> None:
    assert line(CLEAN).good
    assert line(BROKEN, "bug").good
    assert not line(BROKEN).good
    assert not line(CLEAN, "bug").good


def test_lines_and_a_table_over_the_runs(tmp_path: Path) -> None:
    report = Report(tmp_path / "build", "short")
    for one in (line(CLEAN), line(CLEAN, run=1), line(BROKEN, "bug"), line(BROKEN, "other", 1)):
        report.add(one)
    report.close()
    written = [json.loads(text) for text in (tmp_path / "build" / "short.jsonl").read_text().splitlines()]
    assert [(one["run"], one["lost"], one["good"]) for one in written] == [
        (0, 0, True),
        (1, 0, True),
        (0, 2, True),
        (1, 2, True),
    ]
    assert written[0]["figures"] == {"exit_s": 1.0}
    rows = (tmp_path / "build" / "short.md").read_text().splitlines()
    assert len(rows) == 5
    assert rows[2] == "| 1: kills | at_least_once | – | 2 | 4.4.0 | 200 | 4 | 0 | 6 | 20 | 3.46 | clean |"
    assert rows[3].endswith("| bug | 1 | 4.4.0 | 100 | 0 | 2 | 0 | 0 | – | caught: lost |")


def test_what_is_not_good_stands_out(tmp_path: Path) -> None:
    report = Report(tmp_path, "short")
    for one in (line(BROKEN), line(CLEAN, "bug")):
        report.add(one)
    report.close()
    rows = (tmp_path / "short.md").read_text().splitlines()
    assert rows[2].endswith("| **FAILED: lost** |")
    assert rows[3].endswith("| **NOT CAUGHT** |")
