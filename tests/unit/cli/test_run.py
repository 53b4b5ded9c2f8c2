import sys
from pathlib import Path

from streamapp.cli.run import worker_commands
from streamapp.config.load import load_pipeline
from streamapp.templates import write_starter


def commands(tmp_path: Path, *overrides: str) -> list[list[str]]:
    write_starter(tmp_path)
    settings = load_pipeline(tmp_path / "pipeline.yaml", overrides)
    return worker_commands(Path("p.yaml"), ["--set=a=b"], settings, 2)


def test_each_worker_has_a_port_and_a_client_id_of_its_own(tmp_path):
    run = [sys.executable, "-m", "streamapp", "run", "p.yaml", "--set=a=b"]
    assert commands(tmp_path, "metrics.port=9200", "kafka.client.id=me") == [
        [*run, "--set=metrics.port=9200", "--set=kafka.client.id=me-0"],
        [*run, "--set=metrics.port=9201", "--set=kafka.client.id=me-1"],
    ]


def test_a_free_port_stays_a_free_port(tmp_path):
    assert [command[-2] for command in commands(tmp_path, "metrics.port=0")] == ["--set=metrics.port=0"] * 2
