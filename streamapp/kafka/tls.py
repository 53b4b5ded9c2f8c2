"""The certificates and keys of a connection, loaded or told apart: which file is at fault, and how."""

import ssl
from pathlib import Path

from streamapp.config.settings import KafkaSettings
from streamapp.errors import ConfigError

_MISMATCH = "KEY_VALUES_MISMATCH"
_NO_CERTIFICATE = "holds no certificate that can be read"
_CERTIFICATES = "give a PEM file of certificates (-----BEGIN CERTIFICATE-----)"
_KEY = "give a PEM file with the certificate's private key (-----BEGIN PRIVATE KEY-----)"


def tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    """Verifies the broker's certificate and host name, against the given authority or the system's, and shows the
    client's certificate if there is one.

    Raises `ConfigError` for a file that is absent, unreadable, of another kind or does not fit the others.
    """
    authority = settings.ssl_ca_location
    if authority is not None:
        _text("ssl.ca.location", authority)
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=authority)
    except ssl.SSLError as error:
        raise _unusable("ssl.ca.location", authority, _NO_CERTIFICATE, _CERTIFICATES, error) from error
    context.check_hostname = settings.ssl_endpoint_identification_algorithm == "https"
    certificate, key = settings.ssl_certificate_location, settings.ssl_key_location
    if certificate is not None and key is not None:
        password = settings.ssl_key_password
        _show(context, certificate, key, None if password is None else password.get_secret_value())
    return context


def _show(context: ssl.SSLContext, certificate: Path, key: Path, password: str | None) -> None:
    _text("ssl.certificate.location", certificate)
    text = _text("ssl.key.location", key)
    try:
        # Without a password OpenSSL would ask for one on the terminal, and wait.
        context.load_cert_chain(certificate, key, password=password or "")
    except ssl.SSLError as error:
        if not _holds_certificates(certificate):
            name, path, what, remedy = "ssl.certificate.location", certificate, _NO_CERTIFICATE, _CERTIFICATES
        elif error.reason == _MISMATCH:
            name, path, what = "ssl.key.location", key, f"is not the key of the certificate in {certificate}"
            remedy = "give the two files that were made together"
        elif "ENCRYPTED" not in text:
            name, path, what, remedy = "ssl.key.location", key, "holds no private key that can be read", _KEY
        elif password is None:
            name, path, what, remedy = "ssl.key.location", key, "has a password", "give it in `ssl.key.password`"
        else:
            name, path, what = "ssl.key.location", key, "cannot be opened with the password given"
            remedy = "correct `ssl.key.password`"
        raise _unusable(name, path, what, remedy, error) from error


def _text(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="latin-1")
    except OSError as error:
        reason = error.strerror or error.__class__.__name__
        remedy = "correct the path, or make it readable for this user"
        raise ConfigError(f"kafka.{name}: cannot read {path}: {reason}: {remedy}") from error


def _holds_certificates(path: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        return False
    return True


def _unusable(name: str, path: Path | None, what: str, remedy: str, error: ssl.SSLError) -> ConfigError:
    said = f" (OpenSSL: {error.reason})" if error.reason else ""  # it has a name for some of its reasons only
    return ConfigError(f"kafka.{name}: {path} {what}{said}: {remedy}")
