"""Bearer tokens for OAUTHBEARER: from an OpenID Connect provider, or from a file that somebody else keeps fresh."""

import asyncio
import base64
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, unquote, urlencode, urlsplit

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError

from streamapp.config.settings import KafkaSettings
from streamapp.errors import ConfigError

FETCH_S = 10.0
"""How long a token endpoint may take."""
FRESH = 0.8
"""Part of its life for which a token is used."""
LIFE_S = 300.0
"""Life of a token whose provider does not say."""
MOST_BYTES = 1 << 20


class TokenUnavailable(KafkaError):  # type: ignore[misc]
    """No token now; perhaps later. A `KafkaError`, so that aiokafka counts the connection as failed."""

    def __str__(self) -> str:
        return ", ".join(map(str, self.args))


class TokenRefused(TokenUnavailable):
    """The endpoint knows us not, or what it says is no token; asking again does not help."""


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and how long it may be used from now, in seconds (0: only once)."""

    value: str
    fresh_s: float

    def __repr__(self) -> str:
        return "Token(hidden)"


class TokenSource(AbstractTokenProvider):  # type: ignore[misc]
    """Hands out a token from `fetch` for as long as it is fresh. Safe in several threads and event loops."""

    def __init__(
        self,
        fetch: Callable[[], Token],
        extensions: dict[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._extensions = dict(extensions or {})
        self._clock = clock
        self._lock = threading.Lock()
        self._value = ""
        self._until_s = float("-inf")

    async def token(self) -> str:
        """A token. Raises `TokenUnavailable`."""
        return await asyncio.get_running_loop().run_in_executor(None, self.current)

    def current(self) -> str:
        """The same, blocking."""
        with self._lock:
            now_s = self._clock()
            if now_s >= self._until_s:
                token = self._fetch()
                self._value, self._until_s = token.value, now_s + token.fresh_s
            return self._value

    def extensions(self) -> dict[str, str]:
        """What goes to the broker beside the token."""
        return dict(self._extensions)


def token_source(settings: KafkaSettings) -> TokenSource:
    """The source that `sasl.oauthbearer.*` describes. Raises `ConfigError` for an authority that cannot be loaded."""
    url = settings.sasl_oauthbearer_token_endpoint_url or ""
    pairs = (settings.sasl_oauthbearer_extensions or "").split(",")
    extensions = dict(pair.split("=", 1) for pair in pairs if pair)
    if url.startswith("file:"):
        path = Path(unquote(urlsplit(url).path))
        return TokenSource(lambda: _from_file(path), extensions)
    opener, request = _opener(settings), _request(settings, url)
    return TokenSource(lambda: _from_endpoint(opener, request), extensions)


def _from_file(path: Path) -> Token:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a token"
        raise TokenUnavailable(f"the token file {path} cannot be read: {reason}") from None
    if not text or any(c.isspace() for c in text):
        raise TokenUnavailable(f"the token file {path} {'holds more than one word' if text else 'is empty'}")
    return Token(text, 0.0)


def _request(settings: KafkaSettings, url: str) -> urllib.request.Request:
    """The client credentials grant (RFC 6749, 4.4) with the credentials in the header (2.3.1)."""
    secret = settings.sasl_oauthbearer_client_secret
    pair = (settings.sasl_oauthbearer_client_id or "", "" if secret is None else secret.get_secret_value())
    credentials = base64.b64encode(":".join(map(quote_plus, pair)).encode()).decode()
    fields = {"grant_type": "client_credentials"}
    if settings.sasl_oauthbearer_scope is not None:
        fields["scope"] = settings.sasl_oauthbearer_scope
    headers = {"Authorization": f"Basic {credentials}", "Accept": "application/json"}
    return urllib.request.Request(url, urlencode(fields).encode(), headers)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The credentials go where the settings say and nowhere else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _opener(settings: KafkaSettings) -> urllib.request.OpenerDirector:
    try:
        context = ssl.create_default_context(cafile=settings.https_ca_location)
    except OSError as error:
        raise ConfigError(
            f"kafka.https.ca.location: cannot load the authority in {settings.https_ca_location}: give a readable PEM "
            "file of certificates"
        ) from error
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirect)


def _from_endpoint(opener: urllib.request.OpenerDirector, request: urllib.request.Request) -> Token:
    where = f"the token endpoint {request.full_url.partition('?')[0]}"
    try:
        with opener.open(request, timeout=FETCH_S) as response:
            body = response.read(MOST_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            kind = TokenRefused if error.code < 500 and error.code != 429 else TokenUnavailable
            raise kind(f"{where} answers {error.code}") from None
    except OSError as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise TokenRefused(f"{where} shows a certificate that is not trusted: {cause.verify_message}") from None
        raise TokenUnavailable(f"{where}: {cause}") from None
    return _parsed(body, where)


def _parsed(body: bytes, where: str) -> Token:
    try:
        found = json.loads(body)
        value, life_s = found["access_token"], float(found.get("expires_in", LIFE_S))
        if not isinstance(value, str) or not value.isascii() or any(c.isspace() for c in value):
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError):
        raise TokenRefused(f"{where} answers without an access token") from None
    return Token(value, FRESH * life_s)
