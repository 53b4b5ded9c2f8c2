import pytest

SASL = "broker:9092\n  security.protocol: {}\n  sasl.mechanism: PLAIN\n  sasl.username: u\n  sasl.password: p"


@pytest.mark.parametrize(
    ("change", "where", "message", "remedy"),
    [
        (("weight: 1", "weight: 0"), "16:1: variants", "no variant has a weight, so nobody answers", "`weight: 1`"),
        (("x: [amount", "x: [amuont"), "22:11: variants.champion.inputs.x[0]",
         "`amuont` is not a declared event field", "did you mean `amount`?"),
        (("    feature_service: fraud_v1\n", ""), "21:19: variants.champion.inputs.x[1]",
         "`customer:mean_amount` is a feature, but the variant has no feature_service", "add `feature_service:`"),
        (("inputs:\n", "inputs:\n      y: amnt\n"), "22:10: variants.champion.inputs.y",
         "`amnt` is not a declared event field", "did you mean `amount`?"),
        (("features:\n  repository: feature_repo\n  views:\n    customer: {max_age_s: 60, policy: default, "
          "defaults: {mean_amount: 0}}\n", ""), "20:22: variants.champion.feature_service",
         "there is no `features` section", "add `features:`"),
        (("    customer: {max", "    custommer: {max"), "28:5: features.views.custommer",
         "no variant reads this view", "did you mean `customer`?"),
        (("{mean_amount: 0}", "{mean_amont: 0}"), "28:71: features.views.customer.defaults.mean_amont",
         "no variant reads `customer:mean_amont`", "did you mean `mean_amount`?"),
        (("  views:", "  entities: {customer_id: custmer}\n  views:"), "27:27: features.entities.customer_id",
         "`custmer` is not a declared event field", "did you mean `customer`?"),
        (("score: fraud", "score: frod"), "31:64: outcomes.score",
         "variant `champion` has no output `frod`", "did you mean `fraud`?"),
        (("dead_letters:", "drift: {features: [amoun]}\ndead_letters:"), "30:20: drift.features[0]",
         "`amoun` is neither an event field nor a model input", "did you mean `amount`?"),
        (("  id: payment_id", "  id: payment_di"), "7:7: event.id", "`payment_di` is not a declared field",
         "did you mean `payment_id`?"),
        (("time: at", "time: channel"), "8:9: event.time", "`channel` is category, which cannot be the time",
         "timestamp or int32"),
        (("routing_key: customer", "routing_key: amount"), "9:16: event.routing_key",
         "`amount` is float32, which cannot be the routing_key", "make it string"),
        (("payment_id: {dtype: string}", "payment_id: {dtype: string, required: false}"), "7:7: event.id",
         "`payment_id` is optional", "every event needs an id"),
        (("topics: [payments]", "topics: [payments]\n  format: avro"), "6:11: source.format",
         "avro needs a schema", "schema_file"),
        (("{topic: predictions}", "{topic: predictions, format: avro, include_event: true}"),
         "29:64: predictions.include_event", "needs JSON events and JSON predictions", "use format: json"),
        (("topics: [payments]", "topics: [payments]\n  schema_file: x.avsc"), "6:16: source.schema_file",
         "has no effect with format json", "set format: avro"),
        (("ge: 0", "default: 0"), "14:39: event.fields.amount.default", "a required field takes no default",
         "required: false"),
        (("ge: 0", "ge: 5, lt: 5"), "14:34: event.fields.amount.ge", "no value can satisfy these bounds", "exchange"),
        (("ge: 0", "max_length: 5"), "14:42: event.fields.amount.max_length",
         "a float32 has no length in characters", "remove it"),
        (("{dtype: string}", "{dtype: string, ge: 1}"), "11:37: event.fields.payment_id.ge", "a string has no range",
         "remove it"),
        (("{dtype: string}", "{dtype: string, min_length: 3, max_length: 2}"),
         "11:45: event.fields.payment_id.min_length", "is greater than max_length", "exchange"),
        ((", allowed: [web, app]", ""), "15:5: event.fields.channel", "a category needs its values", "allowed"),
        (("[web, app]", "[web, web]"), "15:32: event.fields.channel.allowed", "a value is given twice", "keep one"),
        (("[web, app]", "[web, 3]"), "15:32: event.fields.channel.allowed",
         "must be all text or all whole numbers", "quote text"),
        (("{dtype: timestamp}", "{dtype: timestamp, allowed: [1]}"), "12:28: event.fields.at.allowed",
         "a timestamp has no list of values", "remove it"),
        (("{dtype: timestamp}", "{dtype: timestamp, encoding: text}"), "12:38: event.fields.at.encoding",
         "a timestamp has no encoding", "vectors"),
        (("id: payment_id\n  time", "id: channel\n  time"), "7:7: event.id", "`channel` is category", "make it string"),
        (("[web, app]", "[web, app], required: false, default: tv"), "15:79: event.fields.channel.default",
         "`tv` is not among the allowed values", "allow it"),
        (("{topic: predictions}", "{topic: payments}"), "29:22: predictions.topic",
         "`payments` is already used by source.topics[0]", "its own topic"),
        (("{topic: dead}", "{topic: dead letters}"), "30:23: dead_letters.topic",
         "`dead letters` is not a legal topic name", "letters, digits"),
        (("dead_letters:", "batching: {late_policy: dead_letter}\ndead_letters:"), "30:25: batching.late_policy",
         "has no effect without a deadline", "add `deadline_ms:`"),
        (("dead_letters:", "batching: {deadline_ms: 5, fallback_scores: {fraud: 0}}\ndead_letters:"),
         "30:28: batching.fallback_scores", "has no effect with late_policy score_anyway",
         "set `late_policy: fallback`"),
        (("dead_letters:", "batching: {deadline_ms: 5, late_policy: fallback}\ndead_letters:"),
         "30:1: batching.fallback_scores", "variant `champion` answers `fraud`, which has no fallback",
         "`fraud: <number>`"),
        (("dead_letters:",
          "batching: {deadline_ms: 5, late_policy: fallback, fallback_scores: {fraud: 0, frod: 1}}\ndead_letters:"),
         "30:85: batching.fallback_scores.frod", "no variant has an output `frod`", "did you mean `fraud`?"),
        (("broker:9092", "broker"), "3:22: kafka.bootstrap.servers", "`broker` is not host:port", "write host:port"),
        (("broker:9092", "broker:9092\n  heartbeat.interval.ms: 5000"), "4:26: kafka.heartbeat.interval.ms",
         "5000 is more than a third of session.timeout.ms (10000)", "at most 3333"),
        (("broker:9092", "broker:9092\n  session.timeout.ms: 6000"), "2:1: kafka.heartbeat.interval.ms",
         "3000 is more than a third of session.timeout.ms (6000)", "at most 2000"),
        (("broker:9092", SASL.format("SASL_PLAINTEXT")), "4:22: kafka.security.protocol",
         "SASL_PLAINTEXT sends the credentials in the clear", "allow_plaintext_sasl: true"),
        (("broker:9092", SASL.format("SSL")), "5:19: kafka.sasl.mechanism", "has no effect with security.protocol SSL",
         "SASL_SSL"),
        (("broker:9092", SASL.format("SASL_SSL").replace("\n  sasl.username: u", "")), "2:1: kafka.sasl.username",
         "missing", "sasl.mechanism PLAIN needs it"),
        (("broker:9092", SASL.format("SASL_SSL").replace("password: p", 'password: ""')), "7:18: kafka.sasl.password",
         "is empty", "sasl.mechanism PLAIN needs it"),
        (("broker:9092", "broker:9092\n  ssl.ca.location: ca.pem"), "4:20: kafka.ssl.ca.location",
         "has no effect with security.protocol PLAINTEXT", "set security.protocol: SSL"),
        (("broker:9092", "broker:9092\n  security.protocol: SSL\n  ssl.key.location: k.pem"),
         "5:21: kafka.ssl.key.location", "needs ssl.certificate.location too", "add ssl.certificate.location"),
        (("broker:9092", "broker:9092\n  isolation.level: read_uncommitted\ndelivery: exactly_once"),
         "4:20: kafka.isolation.level", "read_uncommitted answers events that their producer took back",
         "set delivery: at_least_once"),
        (("kafka:", "batching: {max_queue_size: 10}\nkafka:"), "2:28: batching.max_queue_size",
         "10 rows cannot hold one batch of 1024", "a few times"),
    ],
)  # fmt: skip
def test_a_broken_rule_names_its_line(report, change, where, message, remedy):
    said = report(*change)
    assert said.startswith(f"pipeline.yaml:{where}: {message}")
    assert remedy in said
    assert said.count("->") == 1


def test_sound_sasl_and_tls_break_no_rule(report):
    sound = SASL.format("SASL_SSL") + "\n  ssl.certificate.location: c.pem\n  ssl.key.location: k.pem"
    assert report("broker:9092", sound) == ""
    assert report("broker:9092", SASL.format("SASL_PLAINTEXT") + "\n  allow_plaintext_sasl: true") == ""


def test_a_declared_signature_names_both_sides(report):
    declared = "    signature_inputs: {y: {shape: [null, 3]}}\n    outputs:\n"
    assert "`probabilities` is not" not in report("    outputs:\n", declared)
    assert "signature_inputs: needs signature_outputs too" in report("    outputs:\n", declared)
    both = "    signature_outputs: {probability: {shape: [null, 2]}}\n" + declared
    said = report("    outputs:\n", both)
    assert "inputs.x: is not in signature_inputs" in said
    assert "`probabilities` is not in signature_outputs\n  -> did you mean `probability`?" in said


def test_cloudevents_headers_stand_in_for_fields(report):
    assert (
        report(
            "id: payment_id\n  time: at\n  routing_key: customer", "id: ce_id\n  time: ce_time\n  routing_key: ce_id"
        )
        == ""
    )


def test_what_the_later_stages_allow_is_not_refused(report):
    assert report("weight: 1", "weight: 1\n    shadow: 0.5") == ""
    assert report("inputs:\n", "inputs:\n      y: customer:mean_amount\n      z: [payment_id]\n") == ""
    assert report("[web, app]", "[1, 2]") == ""


def test_the_watch_over_progress_outlasts_a_read_of_the_store(report):
    worker = "dead_letters: {topic: dead}\nworker: {progress_timeout_s: %s}"
    said = report("dead_letters: {topic: dead}", worker % 5)
    assert "worker.progress_timeout_s: 5 s is no longer than one read of the online store may take" in said
    assert report("dead_letters: {topic: dead}", worker % 5.5) == ""
    assert report("dead_letters: {topic: dead}", worker % "null") == ""


@pytest.mark.parametrize(
    ("sections", "refused"),
    [
        ("worker: {progress_timeout_s: 0.5, commit_interval_s: 0.1}", "0.5 s ends workers that are well"),
        ("worker: {progress_timeout_s: 30, commit_interval_s: 30}", "commits every 30 s"),
        ("worker: {progress_timeout_s: 10}\nbatching: {max_queue_delay_microseconds: 20_000_000}", "wait for 20 s"),
        ("worker: {progress_timeout_s: 6, commit_interval_s: 5.5}", ""),
        ("worker: {progress_timeout_s: 0, commit_interval_s: 30}", ""),
    ],
)
def test_the_watch_over_progress_leaves_time_for_what_a_healthy_worker_waits_for(report, sections, refused):
    said = report("dead_letters: {topic: dead}", f"dead_letters: {{topic: dead}}\n{sections}")
    assert refused in said
    assert ("worker.progress_timeout_s" in said) == bool(refused)
    assert said.count("->") == bool(refused)


def test_uncommitted_events_may_be_read_at_least_once_and_committed_ones_always(report):
    level = "broker:9092\n  isolation.level: %s\ndelivery: %s"
    assert report("broker:9092", level % ("read_uncommitted", "at_least_once")) == ""
    assert report("broker:9092", level % ("read_committed", "exactly_once")) == ""


CONTROL = "control: {registry: models}\ndead_letters:"
CHALLENGER = (
    "variants:\n  champion-canary:\n    model: {name: %s, path: x.onnx}\n    inputs: {x: [amount]}\n    outputs: "
)
CHALLENGER += "{fraud: {tensor: p}}\n"


def test_a_variant_may_not_have_the_name_of_a_canary(report):
    taken = CHALLENGER % "other"
    said = report("variants:\n", taken, "dead_letters:", CONTROL)
    assert said.startswith("pipeline.yaml:17:3: variants.champion-canary: is what the canary of variant `champion`")
    assert "another name" in said
    assert report("variants:\n", taken) == ""
    # Two variants of one model are each other's candidates: there is no canary.
    assert report("variants:\n", CHALLENGER % "fraud", "dead_letters:", CONTROL) == ""


def test_an_address_of_the_registry_holds_no_credentials(report):
    said = report("dead_letters:", CONTROL.replace("models", '"s3://key:secret@host/models"'))
    assert said.startswith("pipeline.yaml:30:21: control.registry: holds credentials")
    assert "secret" not in said
    assert report("dead_letters:", CONTROL.replace("models", '"s3://bucket/team@home"')) == ""


def test_control_topics_are_topics(report):
    said = report("{topic: dead}", "{topic: payments.control.log}\ncontrol: {registry: models}")
    assert "control: `payments.control.log` is already used by dead_letters.topic" in said
    said = report("dead_letters:", "control: {registry: models, topic: no/name}\ndead_letters:")
    assert "control.topic: `no/name.control.log` is not a legal topic name" in said


def test_who_may_come_to_answer_needs_fallbacks(report):
    late = "batching: {deadline_ms: 5, late_policy: fallback, fallback_scores: {fraud: 0}}\n"
    shadow = (CHALLENGER % "fraud").replace("fraud: {t", "other: {t")
    assert "may answer" not in report("variants:\n", shadow, "dead_letters:", late + "dead_letters:")
    said = report("variants:\n", shadow, "dead_letters:", late + CONTROL)
    assert "variant `champion-canary` may answer `other`, which has no fallback" in said
