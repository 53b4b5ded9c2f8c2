import pytest

from streamapp.act.steps import Analyse, Explore, SetShadow, SetWeight, Wait
from streamapp.config.duration import parse_duration, written_duration
from streamapp.errors import ConfigError
from streamapp.rollout.load import load_rollout
from streamapp.rollout.strategies import steps_of

KNOWN = frozenset({"error_rate", "log_loss", "champion_log_loss"})

CANARY = """\
model: late_arrival
to: "2"
strategy:
  canary:
    steps:
      - setShadow: 50
      - setWeight: 10
      - pause: {duration: 30s}
      - pause: {}
      - analysis:
          interval: 5s
          count: 6
          successCondition: log_loss < champion_log_loss
          failureCondition: error_rate > 0.01
          failureLimit: 1
          inconclusiveLimit: 3
"""


@pytest.fixture
def load(tmp_path):
    """The rollout in a text."""

    def read(text, model=None, to=None):
        path = tmp_path / "rollout.yaml"
        path.write_text(text)
        return load_rollout(path, model, to, KNOWN, {})

    return read


@pytest.fixture
def refusal(load, tmp_path):
    """What is said about a text, after replacing `old` in it."""

    def read(old, new, text=CANARY):
        assert old in text
        with pytest.raises(ConfigError) as refused:
            load(text.replace(old, new))
        return str(refused.value).replace(f"{tmp_path}/", "")

    return read


def strategy(text):
    return f'model: m\nto: "2"\nstrategy:\n  {text}\n'


def test_a_canary(load):
    settings = load(CANARY)
    assert (settings.model, settings.to) == ("late_arrival", "2")
    looks = Analyse(5, 6, "log_loss < champion_log_loss", "error_rate > 0.01", 1, 3)
    assert steps_of(settings.strategy) == (SetShadow(50), SetWeight(10), Wait(30), Wait(None), looks)


LOOKS = "{interval: 1m, count: 2, failureCondition: error_rate > 0.01}"
LOOKED = Analyse(60, 2, None, "error_rate > 0.01")


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("blueGreen: {}", (SetWeight(100),)),
        (
            f"blueGreen: {{prePromotionAnalysis: {LOOKS}, postPromotionAnalysis: {LOOKS}}}",
            (SetShadow(100), LOOKED, SetShadow(0), SetWeight(100), LOOKED),
        ),
        (f"shadow: {{analysis: {LOOKS}}}", (SetShadow(100), LOOKED, SetShadow(0))),
        (
            f"shadow: {{share: 20, analysis: {LOOKS}, steps: [{{setWeight: 10}}, {{pause: {{}}}}]}}",
            (SetShadow(20), LOOKED, SetShadow(0), SetWeight(10), Wait()),
        ),
        ("ab: {}", (SetWeight(50), Wait())),
        ("ab: {weight: 20, duration: 2h}", (SetWeight(20), Wait(7200), Wait())),
        (f"ab: {{analysis: {LOOKS}}}", (SetWeight(50), LOOKED)),
        ("bandit: {interval: 1m, count: 100}", (SetWeight(5), Explore(60, 100, 5, 0.99))),
        (
            "bandit: {interval: 90, count: 1, minWeight: 10, confidence: 0.9}",
            (SetWeight(10), Explore(90, 1, 10, 0.9)),
        ),
        (
            "bandit: {interval: 90, count: 1, minLabels: 20, minReward: -5, maxReward: 200}",
            (SetWeight(5), Explore(90, 1, labels=20, low=-5, high=200)),
        ),
    ],
)
def test_every_strategy_is_a_row_of_steps(load, text, steps):
    assert steps_of(load(strategy(text)).strategy) == steps


def test_model_and_version_come_from_the_command_line_as_well(load):
    text = CANARY.partition("strategy")[1] + CANARY.partition("strategy")[2]
    settings = load(text, model="late_arrival", to="3")
    assert (settings.model, settings.to) == ("late_arrival", "3")
    assert load(CANARY, to="3").to == "3"
    with pytest.raises(ConfigError, match="names no model"):
        load(text, to="3")
    with pytest.raises(ConfigError, match="is for model `late_arrival`, not `other`\n  -> remove `model:`"):
        load(CANARY, model="other")
    with pytest.raises(ConfigError, match=r"--to: `\.\./2` does not match"):
        load(CANARY, to="../2")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'to: "2"\n',
            "",
            "rollout.yaml:1:1: to: missing\n  -> name the version here, or with --to on the command line",
        ),
        ('to: "2"', "to: 2", 'rollout.yaml:2:5: to: must be text, but is 2\n  -> quote it: "2"'),
        (
            "- setWeight: 10",
            "- setWieght: 10",
            "rollout.yaml:7:9: strategy.canary.steps[1].setWieght: unknown key\n  -> did you mean `setWeight`?",
        ),
        (
            "setWeight: 10",
            "setWeight: 110",
            "rollout.yaml:7:20: strategy.canary.steps[1].setWeight: must be at most 100, but is 110\n"
            "  -> meaning: Share of the model's keys that the candidate answers. Per cent.",
        ),
        (
            "setWeight: 10",
            "failureLimit: 1",
            "rollout.yaml:7:9: strategy.canary.steps[1].failureLimit: unknown key\n"
            "  -> `failureLimit` belongs under `strategy.canary.steps[].analysis`",
        ),
        (
            "- setWeight: 10",
            "- {}",
            "rollout.yaml:7:9: strategy.canary.steps[1]: a step needs a key\n"
            "  -> add one of setWeight, setShadow, pause, analysis",
        ),
        (
            "- setWeight: 10",
            "- {setWeight: 10, pause: {}}",
            "rollout.yaml:7:25: strategy.canary.steps[1].pause: a step has one key, and `setWeight` is given as well\n"
            "  -> keep one",
        ),
        (
            "pause: {}",
            "pause:",
            "rollout.yaml:9:15: strategy.canary.steps[3].pause: is empty\n"
            "  -> write `pause: {}` if no key of it is needed",
        ),
        (
            "30s",
            "30 seconds",
            "rollout.yaml:8:27: strategy.canary.steps[2].pause.duration: must be a duration such as 500ms, 30s, 5m or "
            "1h30m, or a number of seconds, but is `30 seconds`\n"
            "  -> meaning: How long; until somebody resumes if absent.",
        ),
        (
            "30s",
            "0s",
            "rollout.yaml:8:27: strategy.canary.steps[2].pause.duration: must be greater than 0, but is 0s\n"
            "  -> meaning: How long; until somebody resumes if absent.",
        ),
        (
            "          interval: 5s\n",
            "",
            "rollout.yaml:10:9: strategy.canary.steps[4].analysis.interval: missing\n"
            "  -> add `interval:` (Time between two looks, and before the first one)",
        ),
        (
            "failureLimit: 1",
            "failureLimit: 6",
            "rollout.yaml:15:25: strategy.canary.steps[4].analysis.failureLimit: cannot be exceeded in 6 looks, so the "
            "analysis could not fail\n  -> make it smaller than `count`",
        ),
        (
            "error_rate > 0.01",
            "eror_rate > 0.01",
            "rollout.yaml:14:29: strategy.canary.steps[4].analysis.failureCondition: condition `eror_rate > 0.01`: no "
            "evidence is called `eror_rate`; there is champion_log_loss, error_rate, log_loss\n"
            "  -> did you mean `error_rate`?",
        ),
        (
            "error_rate > 0.01",
            "__import__('os')",
            "rollout.yaml:14:29: strategy.canary.steps[4].analysis.failureCondition: condition `__import__('os')`: "
            "`__import__('os')` is neither true nor false: write comparisons of numbers and evidence joined by `and`, "
            "`or`, `not`, as in `error_rate < 0.01`",
        ),
        (
            "  canary:\n",
            "  ab: {}\n  canary:\n",
            "rollout.yaml:4:3: strategy.ab: a strategy has one key, and `canary` is given as well\n  -> keep one",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(refusal, old, new, said):
    assert refusal(old, new) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "3:1: strategy: a strategy needs a key\n  -> add one of canary, blueGreen, shadow, ab, bandit"),
        ("canari: {}", "4:3: strategy.canari: unknown key\n  -> did you mean `canary`?"),
        ("ab:", "4:6: strategy.ab: is empty\n  -> write `ab: {}` if no key of it is needed"),
        (
            "canary: {steps: [{setWeight: 10}]}",
            "4:12: strategy.canary.steps: no step takes any time, so the candidate would answer every key at once\n"
            "  -> add `pause` or `analysis` after a weight, or use blueGreen",
        ),
        (
            "ab: {duration: 1h, analysis: {interval: 1, count: 1, failureCondition: error_rate > 1}}",
            "4:18: strategy.ab.duration: `analysis` is given as well, and says itself how long it takes\n"
            "  -> keep one: a person decides after `duration`, the evidence in `analysis`",
        ),
        (
            "shadow: {analysis: {interval: 1, count: 1}}",
            "4:12: strategy.shadow.analysis: has no condition\n  -> add `successCondition`, `failureCondition` or both",
        ),
        (
            "bandit: {interval: 1m, count: 3, confidence: 99}",
            "4:48: strategy.bandit.confidence: must be less than 1, but is 99\n"
            "  -> meaning: At 0.99 a candidate that is not better wins in at most 1 of 100 rollouts, and one that is "
            "not worse loses in at most 1, however many looks are made.",
        ),
        (
            "ab: {analysis: {interval: 1, count: 2, inconclusiveLimit: 2, successCondition: error_rate < 1}}",
            "4:61: strategy.ab.analysis.inconclusiveLimit: cannot be exceeded in 2 looks, so the analysis could pass "
            "without any evidence\n  -> make it smaller than `count`, which counts inconclusive looks too: give more "
            "looks for evidence to come",
        ),
        (
            "bandit: {interval: 1m, count: 3, minReward: 2, maxReward: 2}",
            "4:61: strategy.bandit.maxReward: is not above minReward, which is 2\n"
            "  -> give the least and the greatest label that there can be",
        ),
    ],
)
def test_a_strategy_that_makes_no_sense(refusal, text, said):
    assert refusal("ab: {}", text, strategy("ab: {}")) == f"rollout.yaml:{said}"


def test_files_that_are_no_rollout(load, tmp_path):
    with pytest.raises(ConfigError, match=r"rollout\.yaml:1:1: is empty\n  -> a rollout file begins with `strategy:`"):
        load("")
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such file\n  -> give the file of a rollout"):
        load_rollout(tmp_path / "absent.yaml", None, None, KNOWN, {})
    with pytest.raises(ConfigError, match=r"give the file in it: .*rollout\.yaml"):
        load_rollout(tmp_path, None, None, KNOWN, {})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("1h", 3600), ("1h30m", 5400), ("2d", 172_800), ("1.5s", 1.5)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds
    assert parse_duration(written_duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "s", "1x", "-1s", "1s30m", "1 s", "1e3"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)
