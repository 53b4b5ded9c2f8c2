import numpy as np
import pytest

from streamapp.buckets import bucket, deal, redeal
from streamapp.errors import ConfigError
from streamapp.route import HashRouter, Share
from streamapp.types import EventBatch

SHARES = [Share("a", 1), Share("b", 1), Share("c", 1)]
GOLDEN_BUCKETS = {"": 8944, "flight-1": 5188, "N14228": 9582, "ключ": 165, "a" * 300: 3872}


def events(keys: list[str]) -> EventBatch:
    return EventBatch({}, keys, keys, np.zeros(len(keys), np.int64), {})


def test_buckets_of_known_keys_never_change() -> None:
    assert {key: bucket(key, "flight-delays") for key in GOLDEN_BUCKETS} == GOLDEN_BUCKETS


def test_the_salt_decides_the_split() -> None:
    keys = [f"key-{i}" for i in range(2_000)]
    shares = [Share("a", 1), Share("b", 1)]
    one, other = (HashRouter(salt, shares).route(events(keys)).answers for salt in ("one", "other"))
    assert 0.4 < np.mean(one == other) < 0.6


def test_a_million_keys_are_shared_by_weight() -> None:
    keys = [f"key-{i}" for i in range(1_000_000)]
    answers = HashRouter("salt", [Share("a", 70), Share("b", 30)]).route(events(keys)).answers
    standard_error = (0.7 * 0.3 / len(keys)) ** 0.5
    assert abs(np.mean(answers == 0) - 0.7) < 4 * standard_error


def test_a_shadow_scores_its_share_of_all_keys_whoever_answers_them() -> None:
    keys = [f"key-{i}" for i in range(20_000)]
    shares = [Share("a", 50), Share("b", 50), Share("candidate", 0, shadow=0.25)]
    routes = HashRouter("salt", shares).route(events(keys))
    assert not np.any(routes.answers == 2)
    shadowed_answers = routes.answers[routes.rows[2]]
    assert abs(len(shadowed_answers) / len(keys) - 0.25) < 0.015
    assert abs(np.mean(shadowed_answers == 0) - 0.5) < 0.03


def test_of_a_million_keys_only_those_move_that_must() -> None:
    keys = [f"key-{i}" for i in range(1_000_000)]
    weights = [(60, 30, 10), (50, 30, 20), (50, 10, 40), (100, 0, 0)]
    moved = (0.1, 0.2, 0.5)
    owners = deal(weights[0])
    answers = HashRouter("salt", SHARES, owners).route(events(keys)).answers
    for after, share in zip(weights[1:], moved, strict=True):
        owners = redeal(owners, after)
        before, answers = answers, HashRouter("salt", SHARES, owners).route(events(keys)).answers
        assert abs(np.mean(before != answers) - share) < 4 * (share * (1 - share) / len(keys)) ** 0.5
        for variant, weight in enumerate(after):
            p = weight / 100
            assert abs(np.mean(answers == variant) - p) <= 4 * (p * (1 - p) / len(keys)) ** 0.5


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(ConfigError, match="no variant has a weight"):
        deal([0, 0])
