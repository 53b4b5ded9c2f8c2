"""Whatever is wrong with a pipeline file, what is said about it holds no secret."""

import pytest
from pydantic import ValidationError

from streamapp.cli.config import config
from streamapp.config.load import load_pipeline
from streamapp.config.settings import KafkaSettings

SECRET = "hunter2"
TLS = "broker:9092\n  security.protocol: SASL_SSL\n  sasl.mechanism: {}\n  sasl.username: u\n  sasl.password: {}"


@pytest.mark.parametrize(
    "lines",
    [
        "sasl.pasword: hunter2",
        "sasl_pasword: hunter2",
        "sasl.mechanism: hunter2",
        "sasl.password: [hunter2]",
        "sasl.password: {hunter2: hunter2}",
        "sasl.password: !hunter2",
        "sasl.password: !!python/hunter2 x",
        "sasl.password: *hunter2",
        "sasl.password: @hunter2",
        "sasl.password: %hunter2",
        'sasl.password: "hunter2',
        "sasl.password: hunter2: x",
        "sasl.password: ${hunter2!}",
        "sasl.oauthbearer.client.secret: [hunter2]",
        "sasl.oauthbearer.method: hunter2",
        "sasl.oauthbearer.token.endpoint.url: [hunter2]",
        "ssl.key.password: [hunter2]",
        "password: hunter2",
        "sasl.password: hunter2",
        "sasl.oauthbearer.token.endpoint.url: https://u:hunter2@id.example/",
        "security.protocol: SASL_SSL\n  sasl.mechanism: OAUTHBEARER\n"
        "  sasl.oauthbearer.token.endpoint.url: https://u:hunter2@id.example/",
    ],
)
def test_a_secret_in_the_kafka_section(report, lines):
    said = report("broker:9092", f"broker:9092\n  {lines}")
    assert said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: payments", "name: payments\nsasl.password: hunter2"),
        ("broker:9092", "u:hunter2@broker:9092"),
        ("broker:9092", "kafka://u:hunter2@broker:9092"),
        ("  fields:\n", "  fields:\n    sasl.password: hunter2\n"),
    ],
)
def test_a_secret_in_the_wrong_place(report, old, new):
    said = report(old, new)
    assert said
    assert SECRET not in said


@pytest.mark.parametrize("key", ["sasl.password", "sasl.pasword", "sasl.mechanism", "password", "sasl.password.x"])
def test_a_secret_on_the_command_line(report, key):
    said = report(overrides=(f"kafka.{key}={SECRET}",))
    assert said
    assert SECRET not in said


def test_a_secret_from_the_environment_under_a_wrong_key(report):
    said = report("broker:9092", "broker:9092\n  sasl.mechanism: ${KEY}", environ={"KEY": SECRET})
    assert said
    assert SECRET not in said


@pytest.mark.parametrize("given", [{"sasl.pasword": SECRET}, {"sasl.mechanism": SECRET}, {"sasl.password": [SECRET]}])
def test_the_error_of_the_settings_themselves(given):
    with pytest.raises(ValidationError) as caught:
        KafkaSettings.model_validate(given)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


def test_sound_settings_do_not_show_it(report, tmp_path, capsys):
    assert report("broker:9092", TLS.format("PLAIN", SECRET)) == ""
    settings = load_pipeline(tmp_path / "pipeline.yaml")
    assert settings.kafka.sasl_password is not None
    assert settings.kafka.sasl_password.get_secret_value() == SECRET
    for shown in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert SECRET not in shown
    config()
    assert SECRET not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "where", "said"),
    [
        (TLS.format("PLAIN", "p") + "\n  sasl.kerberos.service.name: k", "kafka.sasl.kerberos.service.name",
         "has no effect with sasl.mechanism PLAIN"),
        (TLS.format("GSSAPI", "p"), "kafka.sasl.username", "has no effect with sasl.mechanism GSSAPI"),
        ("b:1\n  security.protocol: SASL_SSL\n  sasl.mechanism: OAUTHBEARER",
         "kafka.sasl.oauthbearer.token.endpoint.url", "missing"),
        ("b:1\n  security.protocol: SSL\n  ssl.key.password: p", "kafka.ssl.key.password", "has no effect without"),
    ],
)  # fmt: skip
def test_keys_that_do_not_belong_together(report, lines, where, said):
    assert f"{where}: {said}" in report("broker:9092", lines)


OAUTH = "b:1\n  security.protocol: SASL_SSL\n  sasl.mechanism: OAUTHBEARER\n  sasl.oauthbearer.token.endpoint.url: {}"
CLIENT = "\n  sasl.oauthbearer.client.id: me\n  sasl.oauthbearer.client.secret: s"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (OAUTH.format("https://id.example/token") + CLIENT, ""),
        (OAUTH.format("file:///run/token"), ""),
        (OAUTH.format("http://id.example/token") + CLIENT + "\n  allow_plaintext_sasl: true", ""),
        (OAUTH.format("http://id.example/token") + CLIENT, "sends the client secret in the clear"),
        (OAUTH.format("https://id.example/token"), "kafka.sasl.oauthbearer.client.secret: missing"),
        (OAUTH.format("file:///run/token") + CLIENT, "has no effect with a token from a file"),
        (OAUTH.format("file://run/token"), "is no https: or file: address"),
        (OAUTH.format("/run/token"), "is no https: or file: address"),
    ],
)
def test_a_token_endpoint(report, lines, said):
    found = report("broker:9092", lines)
    assert said in found if said else found == ""


def test_paths_of_the_connection_start_at_the_file(report, tmp_path):
    assert report("broker:9092", "b:1\n  security.protocol: SSL\n  ssl.ca.location: tls/ca.pem") == ""
    assert load_pipeline(tmp_path / "pipeline.yaml").kafka.ssl_ca_location == tmp_path / "tls" / "ca.pem"
