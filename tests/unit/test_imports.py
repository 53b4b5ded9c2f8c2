"""Importing does nothing: no framework comes along, no logging set-up, no thread, no environment change."""

import json
import subprocess
import sys

import pytest

HEAVY = ("faust", "mode", "aiokafka", "feast", "onnxruntime", "torch", "river", "pandas", "prometheus_client", "fsspec")

PROBE = """
import json, logging, os, sys, threading
before = dict(os.environ)
for name in sys.argv[1].split(","):
    __import__(name)
print(json.dumps({
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    "handlers": len(logging.getLogger().handlers),
    "threads": threading.active_count(),
    "environment": dict(os.environ) == before,
}))
"""


def probe(*modules: str) -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", PROBE, ",".join(modules)], capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "modules",
    [
        ("streamapp",),
        ("streamapp.pipeline", "streamapp.decode", "streamapp.route", "streamapp.enrich", "streamapp.infer"),
        ("streamapp.batch", "streamapp.encode", "streamapp.config.settings", "streamapp.types", "streamapp.protocols"),
        ("streamapp.cli.main",),
        ("streamapp.models", "streamapp.registering.importing", "streamapp.cli.models"),
    ],
    ids=["front-door", "stages", "contracts", "command-line", "models"],
)
def test_importing_brings_no_framework_along(modules: tuple[str, ...]) -> None:
    found = probe(*modules)
    assert isinstance(found["modules"], list)
    assert [name for name in HEAVY if name in found["modules"]] == []


def test_importing_changes_nothing_in_the_process() -> None:
    found = probe("streamapp", "streamapp.cli.main")
    assert (found["handlers"], found["threads"], found["environment"]) == (0, 1, True)
