"""What must hold in a rollout file between values that are each fine on their own."""

import re
from collections.abc import Collection, Iterator

from streamapp.act.condition import parse_condition
from streamapp.config.keys import keys_of
from streamapp.config.problems import Path, nearest
from streamapp.config.rollout import AbSettings, AnalysisSettings, RolloutSettings, StepSettings
from streamapp.config.rules.broken import Broken
from streamapp.config.settings import Section
from streamapp.errors import ConfigError

_WORD = re.compile(r"[A-Za-z_]\w*")
_AT = ("strategy",)


def rules(settings: RolloutSettings, known: Collection[str]) -> Iterator[Broken]:
    """Every rule that is broken; known: the evidence that conditions may name."""
    if settings.to is None:
        yield Broken(("to",), "missing", "name the version here, or with --to on the command line")
    strategy = settings.strategy
    yield from _one_key(_AT, strategy, "strategy")
    if strategy.canary is not None:
        steps = strategy.canary.steps
        yield from _steps((*_AT, "canary", "steps"), steps, known)
        if all(step.pause is None and step.analysis is None for step in steps):
            message = "no step takes any time, so the candidate would answer every key at once"
            yield Broken(
                (*_AT, "canary", "steps"), message, "add `pause` or `analysis` after a weight, or use blueGreen"
            )
    if strategy.shadow is not None:
        yield from _steps((*_AT, "shadow", "steps"), strategy.shadow.steps, known)
        yield from _analysis((*_AT, "shadow", "analysis"), strategy.shadow.analysis, known)
    if strategy.blue_green is not None:
        at = (*_AT, "blueGreen")
        yield from _analysis((*at, "prePromotionAnalysis"), strategy.blue_green.pre_promotion_analysis, known)
        yield from _analysis((*at, "postPromotionAnalysis"), strategy.blue_green.post_promotion_analysis, known)
    if strategy.ab is not None:
        yield from _ab((*_AT, "ab"), strategy.ab, known)
    if strategy.bandit is not None and not strategy.bandit.min_reward < strategy.bandit.max_reward:
        message = f"is not above minReward, which is {strategy.bandit.min_reward:g}"
        yield Broken((*_AT, "bandit", "maxReward"), message, "give the least and the greatest label that there can be")


def _one_key(at: Path, section: Section, what: str) -> Iterator[Broken]:
    """A section that is a choice has one of its keys, with a value."""
    keys = list(keys_of(type(section)).values())
    given = [key for key in keys if key.attribute in section.model_fields_set]
    for key in given:
        if getattr(section, key.attribute) is None:
            yield Broken((*at, key.name), "is empty", f"write `{key.name}: {{}}` if no key of it is needed")
    if not given:
        yield Broken(at, f"a {what} needs a key", f"add one of {', '.join(key.name for key in keys)}")
    for key in given[1:]:
        yield Broken((*at, key.name), f"a {what} has one key, and `{given[0].name}` is given as well", "keep one")


def _steps(at: Path, steps: tuple[StepSettings, ...], known: Collection[str]) -> Iterator[Broken]:
    for index, step in enumerate(steps):
        yield from _one_key((*at, index), step, "step")
        yield from _analysis((*at, index, "analysis"), step.analysis, known)


def _ab(at: Path, settings: AbSettings, known: Collection[str]) -> Iterator[Broken]:
    yield from _analysis((*at, "analysis"), settings.analysis, known)
    if settings.analysis is not None and settings.duration is not None:
        message = "`analysis` is given as well, and says itself how long it takes"
        yield Broken(
            (*at, "duration"), message, "keep one: a person decides after `duration`, the evidence in `analysis`"
        )


def _analysis(at: Path, settings: AnalysisSettings | None, known: Collection[str]) -> Iterator[Broken]:
    if settings is None:
        return
    conditions = {"successCondition": settings.success_condition, "failureCondition": settings.failure_condition}
    if not any(text is not None for text in conditions.values()):
        yield Broken(at, "has no condition", "add `successCondition`, `failureCondition` or both")
    for name, text in conditions.items():
        if text is not None:
            yield from _condition((*at, name), text, known)
    if settings.failure_limit >= settings.count:
        message = f"cannot be exceeded in {settings.count} looks, so the analysis could not fail"
        yield Broken((*at, "failureLimit"), message, "make it smaller than `count`")
    if settings.inconclusive_limit >= settings.count:
        message = f"cannot be exceeded in {settings.count} looks, so the analysis could pass without any evidence"
        hint = "make it smaller than `count`, which counts inconclusive looks too: give more looks for evidence to come"
        yield Broken((*at, "inconclusiveLimit"), message, hint)


def _condition(at: Path, text: str, known: Collection[str]) -> Iterator[Broken]:
    try:
        parse_condition(text, known)
    except ConfigError as error:
        strange = sorted(set(_WORD.findall(text)) - set(known) - {"and", "or", "not"})
        near = nearest(strange[0], known) if strange else None
        yield Broken(at, str(error), f"did you mean `{near}`?" if near else "")
