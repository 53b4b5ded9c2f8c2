import pytest

from tests.collected import Field


@pytest.fixture
def field() -> Field:
    """Two variants, half of the keys each, with labels; the unit is the user."""
    return Field()
