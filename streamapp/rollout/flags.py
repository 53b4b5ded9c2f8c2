"""A rollout from flags: what they say is checked like a file, and reported under their names."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from streamapp.config.document import Document
from streamapp.config.overrides import Override
from streamapp.config.problems import Path as At
from streamapp.config.problems import render
from streamapp.config.rollout import RolloutSettings
from streamapp.config.validate import settings_of
from streamapp.errors import ConfigError
from streamapp.rollout.load import load_rollout, rollout_file, said_version

_ANALYSIS = {
    "interval": "interval",
    "count": "count",
    "success": "successCondition",
    "failure": "failureCondition",
    "failure_limit": "failureLimit",
    "inconclusive_limit": "inconclusiveLimit",
}
_TAKES = {
    "canary": {"weights", "pause", "shadow", *_ANALYSIS},
    "blueGreen": {*_ANALYSIS},
    "shadow": {"weights", "pause", "shadow", *_ANALYSIS},
    "ab": {"weights", "pause", *_ANALYSIS},
    "bandit": {"interval", "count"},
}
_NEEDS = {"canary": ("weights",), "shadow": ("interval",), "bandit": ("interval", "count")}


@dataclass(frozen=True, slots=True)
class Flags:
    """As they were written; None where they were not."""

    strategy: str | None = None
    weights: str | None = None
    pause: str | None = None
    success: str | None = None
    failure: str | None = None
    interval: str | None = None
    count: int | None = None
    failure_limit: int | None = None
    inconclusive_limit: int | None = None
    shadow: float | None = None

    @property
    def given(self) -> list[str]:
        """Which there are, as attributes."""
        return [field.name for field in fields(self) if getattr(self, field.name) is not None]


def rollout_of(flags: Flags, model: str, to: str, known: Collection[str]) -> RolloutSettings:
    """The rollout that the flags mean. known: the evidence that conditions may name. Raises `ConfigError`."""
    strategy = flags.strategy or "canary"
    _check(strategy, flags)
    said = [Override("MODEL", ("model",), model, model), *said_version(to), *_overrides(strategy, flags)]
    settings, found = settings_of(rollout_file(known), Document("command line", None), said, {}, Path())
    if settings is None:
        # A flag may stand for several places of a file; it is wrong once.
        problems = dict.fromkeys(replace(problem, place=None, path=()) for problem in found)
        raise ConfigError(render(list(problems)))
    return settings


def _check(strategy: str, flags: Flags) -> None:
    """Refuse flags that mean nothing together."""
    given = set(flags.given) - {"strategy"}
    idle = sorted(given - _TAKES[strategy])
    if idle:
        takes = ", ".join(sorted(map(_flag, _TAKES[strategy])))
        raise ConfigError(f"{_flag(idle[0])} has no meaning for {strategy}\n  -> it takes {takes}; a file says more")
    looks = strategy == "shadow" or (strategy != "bandit" and not given.isdisjoint(_ANALYSIS))
    needed = [*_NEEDS.get(strategy, ()), *(("interval", "count") if looks else ())]
    missing = [name for name in needed if name not in given]
    if looks and given.isdisjoint({"success", "failure"}):
        missing.append("failure")
    if strategy == "canary" and not looks and "pause" not in given:
        missing.append("pause")
    if missing:
        raise ConfigError(
            f"{_flag(missing[0])} is missing for {strategy}{' with an analysis' if looks else ''}\n  -> as in "
            "--weights 10,50,100 --interval 30s --count 10 --failure 'error_rate > 0.01'; or give --file"
        )


def _overrides(strategy: str, flags: Flags) -> Iterator[Override]:
    at: At = ("strategy", strategy)
    yield Override("--strategy", at, {}, strategy)
    if strategy == "canary":
        yield from _canary((*at, "steps"), flags, flags.shadow)
    elif strategy == "shadow":
        yield from _one("shadow", flags.shadow, (*at, "share"))
        yield from _analysis((*at, "analysis"), flags)
        yield from _canary((*at, "steps"), flags, None)
    elif strategy == "blueGreen":
        yield from _analysis((*at, "prePromotionAnalysis"), flags)
    elif strategy == "ab":
        yield from _one("weights", flags.weights, (*at, "weight"))
        yield from _one("pause", flags.pause, (*at, "duration"))
        yield from _analysis((*at, "analysis"), flags)
    else:
        yield from _analysis(at, flags)


def _canary(at: At, flags: Flags, shadow: float | None) -> Iterator[Override]:
    """A shadow for all of it, and after every weight a pause and an analysis; at 100 per cent nothing is left to
    compare with, and the rollout is through."""
    steps = [[*_one("shadow", shadow, ("setShadow",))]]
    for weight in [] if flags.weights is None else map(str.strip, flags.weights.split(",")):
        steps.append([*_one("weights", weight, ("setWeight",))])
        if weight != "100":
            steps += [[*_one("pause", flags.pause, ("pause", "duration"))], [*_analysis(("analysis",), flags)]]
    for number, step in enumerate(filter(None, steps)):
        for override in step:
            yield replace(override, path=(*at, number, *override.path))


def _analysis(at: At, flags: Flags) -> Iterator[Override]:
    for name, key in _ANALYSIS.items():
        yield from _one(name, getattr(flags, name), (*at, key))


def _one(name: str, value: str | float | None, path: At) -> Iterator[Override]:
    if value is not None:
        yield Override(_flag(name), path, value, str(value))


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def chosen(
    file: Path | None, flags: Flags, model: str | None, to: str | None, known: Collection[str]
) -> RolloutSettings:
    """The rollout in `file`, or the one that the flags mean. Raises `ConfigError`."""
    if file is not None and flags.given:
        raise ConfigError(
            f"--file and {_flag(flags.given[0])} are both given\n  -> say it in the file, or leave it out"
        )
    if file is not None:
        return load_rollout(file, model, to, known)
    if model is None or to is None:
        raise ConfigError("which rollout?\n  -> streamapp rollout start MODEL --to VERSION, or --file FILE")
    return rollout_of(flags, model, to, known)
