from pathlib import Path

import pytest

from streamapp.config.load import load_pipeline, read_pipeline
from streamapp.errors import ConfigError


def load(tmp_path: Path, text: str, *overrides: str, **environ: str):
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)
    return load_pipeline(path, overrides, environ)


def pipeline_text(report) -> str:
    return report.__kwdefaults__["text"]


@pytest.fixture
def text(report) -> str:
    return pipeline_text(report)


def test_a_sound_file_becomes_settings(tmp_path, text):
    settings = load(tmp_path, text)
    assert settings.kafka.bootstrap_servers == "broker:9092"
    assert settings.variants["champion"].inputs["x"] == ("amount", "customer:mean_amount", "channel")
    assert settings.variants["champion"].model.path == Path("models/fraud.onnx")


def test_all_problems_at_once_in_the_order_of_the_file(report):
    said = report(
        "bootstrap.servers", "bootstrap.server", "dtype: int64", "dtype: int", "{topic: dead}", "{topik: dead}"
    )
    assert said == (
        "4 problems:\n"
        "pipeline.yaml:3:3: kafka.bootstrap.server: unknown key\n"
        "  -> did you mean `bootstrap.servers`?\n"
        "pipeline.yaml:13:23: event.fields.customer.dtype: `int` is not allowed here\n"
        "  -> meaning: `bool`, `int32`, `int64`, `float32`, `float64`, `string`, `category`, `timestamp` or a vector "
        "`float32[n]`.\n"
        "pipeline.yaml:30:1: dead_letters.topic: missing\n"
        "  -> add `topic:` (Where rows go that cannot be answered)\n"
        "pipeline.yaml:30:16: dead_letters.topik: unknown key\n"
        "  -> did you mean `topic`?"
    )


def test_a_key_of_another_section_is_sent_home(report):
    assert report("predictions: {topic", "predictions: {max_batch_size: 5, topic") == (
        "pipeline.yaml:29:15: predictions.max_batch_size: unknown key\n  -> `max_batch_size` belongs under `batching`"
    )


def test_one_key_under_two_names(report):
    assert report("kafka:\n", "kafka:\n  bootstrap_servers: a:1\n") == (
        "pipeline.yaml:3:3: kafka.bootstrap_servers: given twice\n"
        "  -> keep `bootstrap.servers`; `bootstrap_servers` is the same key"
    )


def test_a_duplicate_key_names_both_lines(report):
    assert report("  id: payment_id\n", "  id: payment_id\n  id: at\n") == (
        "pipeline.yaml:8:3: event.id: given twice\n  -> keep one; `event.id` is also on line 7"
    )


def test_an_unquoted_version(report):
    assert report("name: fraud,", "name: fraud, version: 1.10,") == (
        'pipeline.yaml:19:35: variants.champion.model.version: must be text, but is 1.10\n  -> quote it: "1.10"'
    )


def test_an_empty_section(report):
    assert report("  bootstrap.servers: broker:9092\n", "") == (
        "pipeline.yaml:2:7: kafka: must be a section of keys and values, but is empty\n"
        "  -> give it keys, or remove the line"
    )


def test_a_list_is_not_a_word(report):
    assert report("topics: [payments]", "topics: payments") == (
        "pipeline.yaml:5:11: source.topics: must be a list, but is `payments`\n  -> write [payments]"
    )


def test_a_limit(report):
    assert report("weight: 1", "weight: -1") == (
        "pipeline.yaml:18:13: variants.champion.weight: must be at least 0, but is -1\n"
        "  -> meaning: Share of the keys that this variant answers, relative to the other weights."
    )


def test_a_choice(report):
    assert report("broker:9092", "broker:9092\n  security.protocol: SASL-SSL") == (
        "pipeline.yaml:4:22: kafka.security.protocol: must be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, but is "
        "`SASL-SSL`\n  -> did you mean `SASL_SSL`?"
    )


def test_a_variant_name(report):
    assert report("  champion:", "  Champion:") == (
        "pipeline.yaml:17:3: variants.Champion: not a valid name\n  -> names match [a-z][a-z0-9_-]*"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "pipeline.yaml:1:1: is empty\n  -> `streamapp init` writes a starter"),
        ("- a\n", "pipeline.yaml:1:1: is not a mapping\n  -> `streamapp init` writes a starter"),
        (
            "a:\n\tb: 1\n",
            "pipeline.yaml:2:1: not valid YAML: while scanning for the next token found character '\\t' that cannot "
            "start any token\n  -> indent with spaces, not tabs",
        ),
        (
            "a: b: c\n",
            "pipeline.yaml:1:5: not valid YAML: mapping values are not allowed here\n"
            "  -> quote a value that contains `: `, and check the indentation",
        ),
        (
            "a: 1\n---\nb: 1\n",
            "pipeline.yaml:2:1: not valid YAML: expected a single document in the stream but found another document\n"
            "  -> keep one document; remove the `---` between them",
        ),
        (
            "a: [1\n",
            "pipeline.yaml:2:1: not valid YAML: while parsing a flow sequence expected ',' or ']', but got "
            "'<stream end>'\n  -> check indentation, quotes and brackets here and on the line before",
        ),
    ],
)
def test_what_is_not_a_pipeline_at_all(report, text, said):
    assert report(text=text) == said


def test_a_syntax_error_does_not_quote_the_secret_on_its_line(report):
    assert "hunter2" not in report(text="kafka: {sasl.password: hunter2: x\n")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="no such file\n  -> `streamapp init`"):
        load_pipeline(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match=r"is a folder\n  -> give the file in it: .*pipeline\.yaml"):
        load_pipeline(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(ConfigError, match=r"is not UTF-8 text \(byte 6\)"):
        load_pipeline(tmp_path / "latin.yaml")


def test_the_file_is_read_once_and_the_environment_only_if_asked(tmp_path, text, monkeypatch):
    monkeypatch.setenv("SERVERS", "env:1")
    path = tmp_path / "pipeline.yaml"
    path.write_text(text.replace("broker:9092", "${SERVERS}"))
    assert load_pipeline(path).kafka.bootstrap_servers == "env:1"
    assert load_pipeline(path, environ={"SERVERS": "given:2"}).kafka.bootstrap_servers == "given:2"
    settings, problems = read_pipeline(path, environ={})
    assert settings is None
    assert len(problems) == 1


def test_a_missing_variable_says_which_and_what_comes_close(report):
    assert report("broker:9092", "${KAFKA_SERVER}", environ={"KAFKA_SERVERS": "secret"}) == (
        "pipeline.yaml:3:22: kafka.bootstrap.servers: environment variable KAFKA_SERVER is not set\n"
        "  -> set it (set is `KAFKA_SERVERS`), or give a default: ${KAFKA_SERVER:-…}"
    )


def test_a_wrong_value_from_the_environment_is_not_echoed(report):
    said = report("weight: 1", "weight: ${WEIGHT}", environ={"WEIGHT": "hunter2"})
    assert said.startswith("pipeline.yaml:18:13: variants.champion.weight: must be a number, but is `${WEIGHT}`\n")


def test_secrets_are_neither_echoed_nor_printed(tmp_path, text, report):
    sasl = "broker:9092\n  security.protocol: SASL_SSL\n  sasl.mechanism: PLAIN\n  sasl.username: u\n  sasl.password: "
    assert "(hidden)" in report("broker:9092", f"{sasl}31337")
    assert "31337" not in report("broker:9092", f"{sasl}31337")
    settings = load(tmp_path, text.replace("broker:9092", f"{sasl}${{PW}}"), PW="hunter2")
    assert "hunter2" not in repr(settings)
    assert settings.kafka.sasl_password is not None
    assert settings.kafka.sasl_password.get_secret_value() == "hunter2"


def test_overrides_follow_the_dots_of_the_tree(tmp_path, text):
    settings = load(
        tmp_path,
        text,
        "kafka.bootstrap.servers=other:1",
        "kafka.group_id=g",
        "batching.max_batch_size=64",
        "features.views.customer.max_age_s=5",
        "variants.champion.weight=0.5",
        "source.topics=[a, b]",
        "alerts.topic=signals",
    )
    assert (settings.kafka.bootstrap_servers, settings.kafka.group_id) == ("other:1", "g")
    assert settings.batching.max_batch_size == 64
    assert settings.features is not None
    assert settings.features.views["customer"].max_age_s == 5
    assert settings.features.views["customer"].defaults == {"mean_amount": 0}
    assert settings.source.topics == ("a", "b")
    assert settings.alerts is not None


def test_an_override_replaces_either_spelling(tmp_path, text):
    by_attribute = text.replace("bootstrap.servers", "bootstrap_servers")
    assert load(tmp_path, by_attribute, "kafka.bootstrap.servers=other:1").kafka.bootstrap_servers == "other:1"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("kafka.bootstrap.sevrers=x", "--set kafka.bootstrap.sevrers: unknown key `bootstrap.sevrers`\n"
         "  -> did you mean `bootstrap.servers`?"),
        ("metrics.prot=1", "--set metrics.prot: unknown key `prot`\n  -> did you mean `port`?"),
        ("metrics.port.x=1", "--set metrics.port.x: `port` has no keys of its own\n  -> end the key after `port`"),
        ("metrics.port", "--set metrics.port: has no value\n  -> write --set key.path=value"),
        ("metrics.port=99999", "--set metrics.port: must be at most 65535, but is 99999\n"
         "  -> meaning: Port of the first worker; further ones of `--workers` count up. 0 takes a free one."),
        ("variants.champion.weight=0",
         "pipeline.yaml:16:1: variants: no variant has a weight, so nobody answers\n  -> give one variant `weight: 1`"),
    ],
)  # fmt: skip
def test_a_wrong_override_names_the_argument(report, override, said):
    assert report(overrides=(override,)) == said
