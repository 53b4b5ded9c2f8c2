import json
import logging
import sys

from streamapp.cli.logs import JsonFormatter


def record(**fields: object) -> logging.LogRecord:
    made = logging.LogRecord("streamapp.x", logging.WARNING, "f.py", 1, "lag of %s: %d", ("tö\npic", 3), None)
    made.created, made.process = 1_795_459_800.25, 42
    made.__dict__.update(fields)
    return made


def test_a_line_is_one_json_object():
    line = JsonFormatter().format(record())
    assert line == (
        '{"time": "2026-11-23T18:50:00.250+00:00", "level": "warning", "logger": "streamapp.x", "process": 42, '
        '"message": "lag of tö\\npic: 3"}'
    )


def test_an_exception_stays_on_the_line():
    try:
        raise KeyError("x")
    except KeyError:
        line = JsonFormatter().format(record(exc_info=sys.exc_info()))
    assert "\n" not in line
    assert json.loads(line)["exception"].endswith("KeyError: 'x'")
