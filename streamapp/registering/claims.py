"""What is said about a version on a command line, checked."""

import math
import re
from collections.abc import Sequence

from streamapp.errors import ConfigError, RegistryError
from streamapp.models.manifest import FeatureContract, Training
from streamapp.models.times import iso_of_text

_SHA256 = re.compile(r"[0-9a-f]{64}")


def parse_metrics(texts: Sequence[str]) -> dict[str, float]:
    """`NAME=VALUE` each. Raises `ConfigError`.

    >>> parse_metrics(["auc=0.91"])
    {'auc': 0.91}
    """
    metrics: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        number = _finite(value)
        if not name.strip() or number is None:
            raise ConfigError(f"metric `{text}`: write NAME=VALUE with a finite number, such as auc=0.91")
        if name.strip() in metrics:
            raise ConfigError(f"metric `{name.strip()}` is given twice")
        metrics[name.strip()] = number
    return metrics


def feature_contract(service: str | None, sha256: str | None) -> FeatureContract | None:
    """None without a service. Raises `ConfigError`."""
    if sha256 is not None and (service is None or _SHA256.fullmatch(sha256) is None):
        raise ConfigError("--feature-service-sha256 takes 64 hex digits, and needs --feature-service beside it")
    return FeatureContract(service, sha256) if service else None


def training_of(data: str | None, start: str | None, end: str | None) -> Training:
    """Raises `ConfigError` for a time that is none, or a range that ends before it starts."""
    try:
        first = iso_of_text(start, "--trained-from") if start else None
        last = iso_of_text(end, "--trained-to") if end else None
    except RegistryError as error:
        raise ConfigError(str(error)) from error
    if first and last and last <= first:
        raise ConfigError(f"trained from {first} to {last}: the end is not after the start")
    return Training(data, first, last)


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
