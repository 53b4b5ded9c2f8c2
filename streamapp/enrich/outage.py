"""Which exceptions of the stores' client libraries mean that the store does not answer."""

_OUTAGES = frozenset(
    {
        "builtins.OSError",
        "sqlite3.OperationalError",
        "redis.exceptions.ConnectionError",
        "redis.exceptions.TimeoutError",
        "redis.exceptions.ClusterError",
        "redis.exceptions.TryAgainError",
        "redis.exceptions.SlotNotCoveredError",
        "psycopg.OperationalError",
        "pymysql.err.OperationalError",
        "sqlalchemy.exc.OperationalError",
        "botocore.exceptions.ConnectionError",
        "botocore.exceptions.HTTPClientError",
        "cassandra.cluster.NoHostAvailable",
        "cassandra.OperationTimedOut",
        "cassandra.RequestExecutionException",
        "pymongo.errors.ConnectionFailure",
        "google.api_core.exceptions.ServerError",
        "grpc.RpcError",
    }
)
_NOT_OUTAGES = ("no such table", "no such column")


def is_outage(error: BaseException) -> bool:
    """Whether `error` says that a store or registry does not answer, and trying again later is right.

    Known by the qualified names of the exception's classes, so that no client library is imported for it;
    `OSError` covers sockets, time limits and `requests`. SQLite's one class for everything operational is
    told apart by message: a missing table is an error of the repository; its base class itself, not the
    other subclasses, is a file that cannot be read. What is not named here is a bug until
    shown otherwise, and stops the worker.
    """
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
    if "feast.errors.FeastError" in names:
        return False
    if names[0] == "sqlite3.DatabaseError":
        return True
    return not _OUTAGES.isdisjoint(names) and not any(text in str(error) for text in _NOT_OUTAGES)
