import logging
import subprocess
import sys
from pathlib import Path

import pytest

import streamapp
from streamapp.cli.main import main
from streamapp.config.reference import reference

HEAVY = ("faust", "aiokafka", "feast", "onnxruntime", "torch", "river", "pandas")


@pytest.fixture
def command(monkeypatch, capsys):
    """Run a command line in this process: exit status, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["streamapp", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield run
    root.handlers[:], root.level = before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["check", "--help"],
        ["demo", "--help"],
        ["dlq", "replay", "--help"],
        ["models", "import", "--help"],
        ["rollout", "start", "--help"],
    ],
)
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys\nfrom streamapp.cli.main import main\n"
        f"sys.argv = ['streamapp', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "HEAVY []"
    assert "Usage: streamapp" in said


def test_version(command):
    assert command("--version") == (0, f"streamapp {streamapp.__version__}\n", "")


def test_python_dash_m():
    said = subprocess.run([sys.executable, "-m", "streamapp", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == f"streamapp {streamapp.__version__}\n"


def test_a_config_error_is_a_message_and_status_2(command, tmp_path):
    path = tmp_path / "absent.yaml"
    said = f"streamapp: config: {path}: no such file\n  -> `streamapp init` writes a starter pipeline\n"
    assert command("run", str(path)) == (2, "", said)


def test_any_other_known_error_is_a_message_and_status_1(command, tmp_path):
    assert command("init", str(tmp_path))[0] == 0
    pipeline, events = tmp_path / "pipeline.yaml", tmp_path / "events.jsonl"
    events.write_text("")
    pipeline.write_text(_without_features(pipeline.read_text()))
    status, out, err = command("predict", str(pipeline), str(events))
    assert (status, out) == (1, "")
    assert err.startswith("streamapp: model_load: variant `champion`, model `fraud` version `1`: model ")
    assert "Traceback" not in err


def test_a_wrong_command_line_is_status_2(command):
    status, _, err = command("run")
    assert status == 2
    assert "Missing argument 'PIPELINE'" in err


def test_a_wrong_override_names_the_argument(command, tmp_path):
    command("init", str(tmp_path))
    status, _, err = command("run", str(tmp_path / "pipeline.yaml"), "--set", "metrics.prot=1")
    assert status == 2
    assert err == "streamapp: config: --set metrics.prot: unknown key `prot`\n  -> did you mean `port`?\n"


def test_init_writes_a_starter_and_never_over_a_file(command, tmp_path):
    status, out, _ = command("init", str(tmp_path / "new"))
    assert status == 0
    written = [line.strip() for line in out.splitlines()[:-2]]
    assert [str(Path(line).relative_to(tmp_path / "new")) for line in written] == [
        ".gitignore",
        "README.md",
        "feature_repo/feature_store.yaml",
        "feature_repo/features.py",
        "pipeline.yaml",
        "train_example.py",
    ]
    assert f"cd {tmp_path / 'new'} && streamapp check pipeline.yaml" in out
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "pipeline.yaml").write_text("mine")
    status, _, err = command("init", str(tmp_path / "other"))
    assert status == 2
    assert err == (
        f"streamapp: config: already there: {tmp_path / 'other' / 'pipeline.yaml'}\n"
        "  -> choose another directory: streamapp init my-pipeline\n"
    )
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["pipeline.yaml"]


def test_config_prints_the_reference(command):
    assert command("config") == (0, reference(), "")


def _without_features(text: str) -> str:
    """The starter with a model that takes event fields only."""
    head, _, rest = text.partition("\nfeatures:")
    lines = [line for line in head.splitlines() if "customer_activity:" not in line and "feature_service:" not in line]
    return "\n".join(lines) + "\npredictions:" + rest.partition("\npredictions:")[2]
