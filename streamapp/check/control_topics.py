"""Whether a control topic keeps what it must, as the broker shows it."""

from collections.abc import Mapping

from streamapp.check.finding import Finding, error, ok, warning
from streamapp.kafka.control_topics import BROKER_TIMES, ControlTopics, Inspected

GRANT = "grant this user DESCRIBE, DESCRIBE_CONFIGS, READ and WRITE on it"


def topic_finding(topics: ControlTopics, topic: str, found: Inspected) -> Finding:
    """Whether one of the topics keeps what it must, or what a worker will do about one that is absent."""
    subject = f"topic {topic}"
    asked = topics.configs[topic]
    if not found.partitions:
        return _absent(subject, asked, found.hidden)
    if found.partitions != 1:
        return error(
            subject,
            f"has {found.partitions} partitions, and control needs one order: it takes 1",
            "delete it, which forgets what it holds, and let a worker create it; or name others with `control.topic`",
        )
    if found.hidden:
        return warning(subject, f"1 partition, but its settings are not shown: {found.hidden}", GRANT)
    wrong = _wrong(topics, topic, found.configs)
    if not wrong and _by_senders(asked, found.configs):
        said = "pauses and analyses last by the clocks of those who write there"
        return warning(subject, f"has {_by_senders(asked, found.configs)}, so {said}", _alter(topic, BROKER_TIMES))
    if not wrong:
        return ok(subject, f"1 partition, cleanup.policy={found.configs.get('cleanup.policy', 'not told')}")
    has = ", ".join(f"{name}={found.configs[name]}" for name in wrong)
    remedy = _alter(topic, {name: asked[name] for name in wrong})
    if topic == topics.log:
        return error(subject, f"has {has} and would lose commands", remedy)
    cost = "a worker may have to read the whole log to start" if topic == topics.state else "it grows without need"
    return warning(subject, f"has {has}, so {cost}", remedy)


def _alter(topic: str, settings: Mapping[str, str]) -> str:
    # kafka-configs.sh takes a list in brackets.
    needed = ",".join(f"{name}=[{value}]" if "," in value else f"{name}={value}" for name, value in settings.items())
    return f"kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {needed}"


def _by_senders(asked: Mapping[str, str], found: Mapping[str, str]) -> str:
    """The setting that lets records carry their sender's time where the broker's is needed; "" where there is none."""
    for name, value in BROKER_TIMES.items():
        if name in asked and found.get(name, value) != value:
            return f"{name}={found[name]}"
    return ""


def _absent(subject: str, asked: Mapping[str, str], hidden: str) -> Finding:
    if hidden and "UnknownTopic" not in hidden:
        said = f"is absent, or not shown to this user: {hidden}"
        return warning(subject, said, f"{GRANT}, and CREATE if it is absent")
    settings = ", ".join(f"{name}={value}" for name, value in asked.items())
    return ok(subject, f"absent; a worker creates it with 1 partition and {settings}")


def _wrong(topics: ControlTopics, topic: str, found: Mapping[str, str]) -> list[str]:
    """Settings that must have another value; those that the broker does not tell are believed."""
    if topic == topics.log:
        kept = {name: value for name, value in topics.configs[topic].items() if name not in BROKER_TIMES}
        return [name for name, value in kept.items() if found.get(name, value) != value]
    policy = found.get("cleanup.policy", "compact").split(",")
    compacted = "compact" in policy and (topic == topics.reports or "delete" not in policy)
    return [] if compacted else ["cleanup.policy"]
