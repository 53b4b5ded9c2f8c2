from pathlib import Path

import pytest

from streamapp.config.settings import KafkaSettings
from streamapp.errors import ConfigError
from streamapp.kafka.tls import tls_context
from tests.certificates import Authority


def load(**names: object) -> None:
    """Each keyword is a setting under `ssl`, its dots written as underscores."""
    tls_context(KafkaSettings.model_validate({f"ssl_{name}": value for name, value in names.items()}))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture(params=["absent", "folder", "text", "empty", "bytes", "half"])
def bad(request: pytest.FixtureRequest, authority: Authority, tmp_path: Path) -> Path:
    """What is no PEM file, or only the beginning of one."""
    path: Path = tmp_path / request.param
    contents = {"text": b"not a certificate", "empty": b"", "bytes": bytes(range(256))}
    contents["half"] = authority.path.read_bytes()[:200]
    if request.param == "folder":
        path.mkdir()
    elif request.param != "absent":
        path.write_bytes(contents[request.param])
    return path


def test_sound_files_are_loaded(authority: Authority) -> None:
    pair = authority.sign("client", password="locked-away")
    files = {"certificate_location": pair.certificate, "key_location": pair.key, "key_password": "locked-away"}
    load(ca_location=authority.path, **files)


def test_an_authority_that_cannot_be_loaded_is_named(bad: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^kafka\.ssl\.ca\.location: .*{bad}.*: (correct the path|give a PEM file)"):
        load(ca_location=bad)


def test_a_certificate_that_cannot_be_loaded_is_named_and_not_its_key(bad: Path, authority: Authority) -> None:
    with pytest.raises(ConfigError, match=rf"^kafka\.ssl\.certificate\.location: .*{bad}"):
        load(certificate_location=bad, key_location=authority.sign("client").key)


def test_a_key_that_cannot_be_loaded_is_named_and_not_its_certificate(bad: Path, authority: Authority) -> None:
    with pytest.raises(ConfigError, match=rf"^kafka\.ssl\.key\.location: .*{bad}"):
        load(certificate_location=authority.sign("client").certificate, key_location=bad)


def test_a_key_of_another_certificate_is_told(authority: Authority) -> None:
    one, other = authority.sign("one"), authority.sign("other")
    with pytest.raises(ConfigError, match=rf"{other.key} is not the key of the certificate in {one.certificate}"):
        load(certificate_location=one.certificate, key_location=other.key)


@pytest.mark.parametrize(
    ("password", "said"), [(None, "has a password"), ("wrong-secret", "cannot be opened with the password given")]
)
def test_a_locked_key_needs_its_password_and_never_asks_for_it(
    authority: Authority, password: str | None, said: str
) -> None:
    pair = authority.sign("client", password="locked-away")
    with pytest.raises(ConfigError, match=rf"{pair.key} {said}: .*`ssl\.key\.password`") as caught:
        load(certificate_location=pair.certificate, key_location=pair.key, key_password=password)
    assert "wrong-secret" not in str(caught.value)
