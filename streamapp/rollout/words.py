"""Commands, steps and rollouts in words."""

from functools import singledispatch

from streamapp.act.commands import Advance, Aliased, AnyCommand, Command, Declare, Deploy, Measured, Start, Weighed
from streamapp.act.state import LOADING, Rollout
from streamapp.act.steps import Analyse, Explore, SetShadow, SetWeight, Step, Wait
from streamapp.config.duration import written_duration


def step_words(step: Step) -> str:
    """One step as a rollout file has it."""
    if isinstance(step, SetWeight):
        return f"setWeight {step.weight:g}"
    if isinstance(step, SetShadow):
        return f"setShadow {step.share:g}"
    if isinstance(step, Wait):
        return "pause until resumed" if step.duration_s is None else f"pause {written_duration(step.duration_s)}"
    looks = f"{step.count} x {written_duration(step.interval_s)}"
    return f"{'analysis' if isinstance(step, Analyse) else 'bandit'} {looks}"


def where(rollout: Rollout) -> str:
    """How far a rollout is: `3/5 analysis 6 x 5s, look 2`."""
    step, count = rollout.current, len(rollout.steps)
    if step is None:
        return "loading" if rollout.step == LOADING else "through"
    looks = f", look {rollout.measured}" if isinstance(step, Analyse | Explore) and rollout.measured else ""
    return f"{rollout.step + 1}/{count} {step_words(step)}{looks}"


@singledispatch
def _what(command: Command) -> str:
    return type(command).__name__.lower()


@_what.register
def _declared(command: Declare) -> str:
    return f"declare {'again ' if command.again else ''}" + ", ".join(
        f"{name} {each.model} {each.version}" for name, each in command.variants.items()
    )


@_what.register
def _started(command: Start) -> str:
    return f"start {command.id} to {command.version}: " + "; ".join(map(step_words, command.steps))


@_what.register
def _deployed(command: Deploy) -> str:
    return f"deploy {command.version}"


@_what.register
def _aliased(command: Aliased) -> str:
    return "alias" if command.settled else "alias, to be tried again"


@_what.register
def _measured(command: Measured) -> str:
    return f"step {command.step + 1}, look {command.number}: {command.result.value}"


@_what.register
def _weighed(command: Weighed) -> str:
    return f"step {command.step + 1}, look {command.number}: weight {command.weight:.4g}"


@_what.register
def _advanced(command: Advance) -> str:
    return "loaded" if command.step == LOADING else f"step {command.step + 1} is over"


def what(command: AnyCommand) -> str:
    """What a command does."""
    return _what(command)


def why(command: AnyCommand) -> str:
    """On which grounds, with the numbers."""
    return "" if isinstance(command, Declare) else command.reason
