import sqlite3

import pytest
import redis
import requests
from feast.errors import FeastPermissionError

from streamapp.enrich.outage import is_outage


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("database is locked"),
        sqlite3.OperationalError("unable to open database file"),
        sqlite3.DatabaseError("file is not a database"),
        redis.exceptions.ConnectionError("refused"),
        redis.exceptions.TimeoutError("slow"),
        redis.exceptions.BusyLoadingError("loading"),
        redis.exceptions.ClusterDownError("down"),
        requests.exceptions.ConnectionError("feature server"),
        TimeoutError("socket"),
        ConnectionRefusedError("socket"),
    ],
)
def test_a_store_that_does_not_answer(error):
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("no such table: flights_weather"),
        sqlite3.ProgrammingError("Cannot operate on a closed database."),
        redis.exceptions.DataError("Invalid input of type"),
        redis.exceptions.ResponseError("WRONGTYPE"),
        FeastPermissionError("no"),
        TypeError("a bug"),
        KeyError("a bug"),
        AssertionError("a bug"),
    ],
)
def test_a_bug_or_a_fault_of_the_repository(error):
    assert not is_outage(error)
