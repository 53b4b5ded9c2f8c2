"""Dead letters on the embedded broker, which has no transactions."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streamapp.demo.broker import EmbeddedBroker
from streamapp.errors import ConfigError
from tests.integration.dlq_cases import Desk, DlqCases, flight


@pytest.fixture
async def desk(embedded_broker: EmbeddedBroker, tmp_path: Path, topic: Callable[[str], str]) -> Desk:
    found = Desk(embedded_broker.bootstrap_servers, tmp_path, topic, transactions=False)
    await found.create()
    return found


class TestDlqOnTheEmbeddedBroker(DlqCases):
    async def test_a_broker_without_transactions_is_refused_unless_that_is_wanted(self, desk: Desk) -> None:
        await desk.fail([flight(0)])
        with pytest.raises(ConfigError, match="--without-transactions"):
            await desk.replay(transactions=True)
        assert await desk.copies(committed_only=False) == []
