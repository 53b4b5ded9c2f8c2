import pytest

from streamapp.config.settings import UnavailableSettings
from streamapp.enrich.availability import Availability


@pytest.fixture
def make(clock):
    def build(**settings):
        return Availability(UnavailableSettings(**settings), clock)

    return build


def test_without_a_limit_every_batch_tries(make, clock):
    availability = make()
    for _ in range(5):
        assert availability.should_try
        availability.failed()
        clock.advance(3600)
    assert not availability.serves_defaults


def test_defaults_after_the_limit_and_tries_ever_further_apart(make, clock):
    availability = make(serve_defaults_after_s=10, retry_initial_s=1, retry_max_s=4)
    availability.failed()
    clock.advance(9.9)
    assert not availability.serves_defaults
    clock.advance(0.1)
    assert availability.serves_defaults
    tried = []
    for second in range(20):
        if availability.should_try:
            tried.append(second)
            availability.failed()
        clock.advance(1)
    assert tried == [0, 2, 6, 10, 14, 18]


def test_an_answer_starts_over(make, clock):
    availability = make(serve_defaults_after_s=10)
    availability.failed()
    clock.advance(60)
    availability.answered()
    assert not availability.serves_defaults
    availability.failed()
    assert not availability.serves_defaults


def test_at_once(make):
    availability = make(serve_defaults_after_s=0)
    assert not availability.serves_defaults
    availability.failed()
    assert availability.serves_defaults
    assert not availability.should_try
