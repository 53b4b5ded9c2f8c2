"""An object store that speaks S3, on loopback and in memory."""

import logging
from types import TracebackType

HOST = "127.0.0.1"
REGION = "us-east-1"
KEY = "test"


class S3Server:
    """A server in a thread of this process, with one bucket. `stop` and `start` again keep port and objects."""

    bucket = "registry"

    def __init__(self) -> None:
        self.port = 0

    def start(self) -> None:
        """Serve."""
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line per request
        self._server = ThreadedMotoServer(HOST, self.port, verbose=False)
        self._server.start()
        _, self.port = self._server.get_host_and_port()

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._server.stop()

    def __enter__(self) -> "S3Server":
        import boto3

        self.start()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{HOST}:{self.port}",
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
        )
        client.create_bucket(Bucket=self.bucket)
        client.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def environment(port: int) -> dict[str, str]:
    """Where a client finds the server, or a proxy to it."""
    return {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_MAX_ATTEMPTS": "2",
    }
