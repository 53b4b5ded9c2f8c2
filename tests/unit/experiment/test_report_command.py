import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from streamapp.cli.main import app
from streamapp.errors import ConfigError

HEADER = {
    "experiment": "ranker <1>",
    "control": "a",
    "variants": {"a": 0.5, "b": 0.5},
    "metrics": {"clicked": {"kind": "proportion", "margin": 0.05}, "spend": {"kind": "mean"}},
}


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    rng = np.random.default_rng(11)
    rows = [json.dumps(HEADER)]
    for k in range(2_000):
        variant, before = "ab"[int(rng.integers(2))], float(rng.normal(10, 3))
        values = {
            "clicked": int(rng.random() < (0.2 if variant == "a" else 0.4)),
            "spend": before + float(rng.normal()),
        }
        row = {"unit": f"u{k}", "variant": variant, "time": k, "values": values, "covariates": {"spend": before}}
        rows.append(json.dumps(row))
    path = tmp_path / "evidence.jsonl"
    path.write_text("\n".join(rows))
    return path


def test_a_table_a_picture_and_json(evidence: Path, tmp_path: Path) -> None:
    picture, as_json = tmp_path / "p.svg", tmp_path / "r.json"
    arguments = ["experiment", "report", str(evidence), "--picture", str(picture), "--json", str(as_json)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "better" in done.output
    assert "holds" in done.output
    assert "sample ratio: p = " in done.output
    found = json.loads(as_json.read_text())
    clicked, spend = found["comparisons"]
    assert clicked["interval"]["exact"]
    assert clicked["interval"]["lower"] > 0
    assert not spend["interval"]["exact"]
    assert spend["reduction"] == pytest.approx(0.9, abs=0.02)
    assert spend["interval"]["upper"] - spend["interval"]["lower"] < spend["plain"]["upper"] - spend["plain"]["lower"]
    assert found["units"]["a"] + found["units"]["b"] == 2_000
    drawn = ElementTree.fromstring(picture.read_text())
    bands = [one for one in drawn.iter() if one.get("class") == "band"]
    assert len(bands) == 2
    assert drawn.get("aria-label") == "ranker <1>"


def test_from_stdin_as_json(evidence: Path) -> None:
    done = CliRunner().invoke(app, ["experiment", "report", "-", "--output", "json"], input=evidence.read_bytes())
    assert json.loads(done.output)["experiment"] == "ranker <1>"


def test_what_cannot_be_read_or_written_is_said(evidence: Path, tmp_path: Path) -> None:
    for arguments, said in (
        ([str(tmp_path / "none")], "cannot be read"),
        ([str(evidence), "--picture", str(tmp_path / "no" / "p.svg")], "cannot be written"),
    ):
        done = CliRunner().invoke(app, ["experiment", "report", *arguments])
        assert isinstance(done.exception, ConfigError)
        assert said in str(done.exception)
