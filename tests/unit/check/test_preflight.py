import socket

from streamapp.check import Finding, Level, check_pipeline


def errors(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level is Level.ERROR]


def test_a_sound_pipeline_is_ok_and_says_what_was_seen(pipeline):
    path = pipeline()
    assert check_pipeline(path, offline=True) == [
        Finding(Level.OK, "config", f"{path}: variants champion"),
        Finding(Level.OK, "event", "json: payment_id string, amount float32, count int32"),
        Finding(Level.OK, "drift", "champion: amount, count, score:fraud"),
        Finding(Level.OK, "model champion", "fraud 1: x float32[rows, 2] -> fraud = p[1]"),
        Finding(Level.OK, "kafka", "PLAINTEXT to 127.0.0.1:9092"),
    ]


def test_every_problem_of_the_file_is_a_finding(pipeline):
    path = pipeline("count: {dtype: int32}", "count: {dtype: int}", "weight: 1", "weihgt: 1")
    findings = check_pipeline(path, offline=True)
    assert [finding.level for finding in findings] == [Level.ERROR, Level.ERROR]
    assert "`int` is not allowed here" in findings[0].message
    assert "did you mean `weight`?" in findings[1].message


def test_an_absent_model_says_what_to_do_and_hides_nothing(pipeline):
    path = pipeline("path: model.onnx", "path: absent.onnx", "count: {dtype: int32}", "count: {dtype: int32, ge: 1e12}")
    event, model = errors(check_pipeline(path, offline=True))
    assert event.subject == "event"
    assert model.subject == "model champion"
    assert model.message == f"{path.parent / 'absent.onnx'}: no such file"
    assert model.remedy.startswith("train or export the model to this path")


def test_a_model_that_does_not_fit_is_shown_beside_the_pipeline(pipeline):
    (finding,) = errors(check_pipeline(pipeline("x: [amount, count]", "x: [amount]"), offline=True))
    assert finding.message.startswith("model `fraud` and the pipeline do not match (1 problem)\n")
    assert "x: float32[rows, 2]" in finding.message
    assert "1 columns, the model takes 2" in finding.message


def test_a_corrupt_model(pipeline):
    path = pipeline()
    (path.parent / "model.onnx").write_bytes(b"no")
    (finding,) = errors(check_pipeline(path, offline=True))
    assert finding.subject == "model champion"


def test_an_idle_variant_is_a_warning(pipeline):
    idle = "  idle:\n    model: {name: fraud, path: model.onnx}\n    inputs: {x: [amount, count]}\n"
    path = pipeline("predictions:", f"{idle}    outputs: {{fraud: {{tensor: p}}}}\npredictions:")
    findings = check_pipeline(path, offline=True)
    assert [(f.level, f.subject) for f in findings if f.level is not Level.OK] == [(Level.WARNING, "variant idle")]


def test_a_missing_feature_repository(pipeline):
    path = pipeline(
        "outputs:", "feature_service: s\n    outputs:", "predictions:", "features: {repository: absent}\npredictions:"
    )
    (finding,) = errors(check_pipeline(path, offline=True))
    assert finding.subject == "features"
    assert "feature_store.yaml" in finding.message


def test_an_authority_that_cannot_be_loaded_is_found_without_a_broker_and_no_broker_is_asked(pipeline):
    path = pipeline("source:", "kafka: {security.protocol: SSL, ssl.ca.location: absent.pem}\nsource:")
    offline = errors(check_pipeline(path, offline=True))
    (found,) = offline
    assert found.subject == "kafka"
    said = f"kafka.ssl.ca.location: cannot read {path.parent / 'absent.pem'}: No such file or directory: correct the"
    assert found.message.startswith(said)
    assert errors(check_pipeline(path)) == offline


def test_a_start_that_skips_events_is_a_warning(pipeline):
    path = pipeline("source:", "kafka: {auto.offset.reset: latest}\nsource:")
    (found,) = (finding for finding in check_pipeline(path, offline=True) if finding.level is Level.WARNING)
    assert found.subject == "kafka"
    assert "partitions that are added later" in found.message


def test_an_unreachable_broker_is_named_and_the_port_is_still_looked_at(pipeline):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            nobody = f"127.0.0.1:{closed.getsockname()[1]}"
            found = check_pipeline(
                pipeline(),
                overrides=[f"kafka.bootstrap.servers={nobody}", f"metrics.port={port}", "worker.broker_wait_s=0"],
            )
    broker, metrics = errors(found)
    assert broker.subject == "broker"
    assert nobody in broker.message
    assert "--offline" in broker.remedy
    assert metrics.message == f"127.0.0.1:{port} cannot be used: Address already in use"
