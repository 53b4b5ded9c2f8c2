"""A worker's `/metrics`, read as a user's Prometheus would."""

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of the page."""

    name: str
    labels: Mapping[str, str]
    value: float


class Scrape:
    """The samples of one page."""

    def __init__(self, page: str) -> None:
        self.samples = [
            Sample(name, dict(_LABEL.findall(labels or "")), float(value))
            for line in page.splitlines()
            if (match := _SAMPLE.match(line))
            for name, labels, value in [match.groups()]
        ]

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples of that name whose labels include these; 0 without any."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and all(sample.labels.get(key) == value for key, value in labels.items())
        )

    def has(self, name: str, **labels: str) -> bool:
        """Whether there is such a sample."""
        return any(
            sample.name == name and all(sample.labels.get(key) == value for key, value in labels.items())
            for sample in self.samples
        )

    def mean(self, histogram: str, **labels: str) -> float:
        """Mean of what a histogram has seen, NaN before it saw anything."""
        count = self.total(f"{histogram}_count", **labels)
        return self.total(f"{histogram}_sum", **labels) / count if count else float("nan")


def scrape(port: int, *, timeout_s: float = 2.0) -> Scrape | None:
    """The page on that loopback port; None if nobody serves it in time."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=timeout_s) as page:
            return Scrape(page.read().decode())
    except (URLError, OSError, http.client.HTTPException):
        return None
