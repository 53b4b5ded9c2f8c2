"""Log lines of a worker: text for people, JSON for machines."""

import json
import logging
import sys
from datetime import datetime, timezone
from enum import Enum


class LogFormat(str, Enum):
    """How a log line is written."""

    TEXT = "text"
    JSON = "json"


class LogLevel(str, Enum):
    """The least severe level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, process, message, and `exception` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up(level: LogLevel, style: LogFormat) -> None:
    """Send this process's log to stderr. Libraries speak from warnings on; `level` is for streamapp."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if style is LogFormat.JSON else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("streamapp").setLevel(level.value.upper())
