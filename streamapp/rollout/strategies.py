"""Strategies as steps: every one is a row of them, so that what carries a rollout out knows only steps."""

from streamapp.act.steps import Analyse, Explore, SetShadow, SetWeight, Step, Wait, check_steps
from streamapp.config.rollout import (
    AbSettings,
    AnalysisSettings,
    BanditSettings,
    BlueGreenSettings,
    ShadowSettings,
    StepSettings,
    StrategySettings,
)
from streamapp.errors import ConfigError


def steps_of(strategy: StrategySettings) -> tuple[Step, ...]:
    """The steps of the one strategy that is given. After the last one the candidate answers every key.

    Raises `ConfigError` for steps that make no sense, and where no strategy is given.
    """
    steps = _steps(strategy)
    check_steps(steps)
    return steps


def _steps(strategy: StrategySettings) -> tuple[Step, ...]:
    if strategy.canary is not None:
        return tuple(map(_step, strategy.canary.steps))
    if strategy.blue_green is not None:
        return _blue_green(strategy.blue_green)
    if strategy.shadow is not None:
        return _shadow(strategy.shadow)
    if strategy.ab is not None:
        return _ab(strategy.ab)
    return () if strategy.bandit is None else _bandit(strategy.bandit)


def _step(settings: StepSettings) -> Step:
    if settings.set_weight is not None:
        return SetWeight(settings.set_weight)
    if settings.set_shadow is not None:
        return SetShadow(settings.set_shadow)
    if settings.pause is not None:
        return Wait(settings.pause.duration)
    if settings.analysis is not None:
        return _analyse(settings.analysis)
    raise ConfigError("a step needs one of setWeight, setShadow, pause, analysis")


def _blue_green(settings: BlueGreenSettings) -> tuple[Step, ...]:
    before, after = settings.pre_promotion_analysis, settings.post_promotion_analysis
    # Without the shadow the candidate would be scored for its own keys only; with it, for nobody's twice.
    tried: tuple[Step, ...] = () if before is None else (SetShadow(100), _analyse(before), SetShadow(0))
    return (*tried, SetWeight(100), *(() if after is None else (_analyse(after),)))


def _shadow(settings: ShadowSettings) -> tuple[Step, ...]:
    beside = (SetShadow(settings.share), _analyse(settings.analysis), SetShadow(0))
    return (*beside, *map(_step, settings.steps))


def _ab(settings: AbSettings) -> tuple[Step, ...]:
    weight = SetWeight(settings.weight)
    if settings.analysis is not None:
        return weight, _analyse(settings.analysis)
    # That time is over is no evidence: who wins is for a person to say.
    return (weight, Wait()) if settings.duration is None else (weight, Wait(settings.duration), Wait())


def _bandit(settings: BanditSettings) -> tuple[Step, ...]:
    explore = Explore(
        settings.interval,
        settings.count,
        settings.min_weight,
        settings.confidence,
        settings.min_labels,
        settings.min_reward,
        settings.max_reward,
    )
    return SetWeight(settings.min_weight), explore


def _analyse(settings: AnalysisSettings) -> Analyse:
    return Analyse(
        settings.interval,
        settings.count,
        settings.success_condition,
        settings.failure_condition,
        settings.failure_limit,
        settings.inconclusive_limit,
    )
