"""The settings tree: one frozen section per component, unknown keys refused."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from streamapp.types import MOST_WEIGHT

Scalar = bool | int | float | str
LatePolicy = Literal["score_anyway", "fallback", "dead_letter"]


class Section(BaseModel):
    """Base of every section: frozen, strict about keys, fields documented by their docstrings."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        populate_by_name=True,
        validate_default=True,
        hide_input_in_errors=True,  # a secret may stand under any key, misspelt ones included
    )


class KafkaSettings(Section):
    """The broker connection, under the names of librdkafka and the Java client."""

    bootstrap_servers: str = Field(default="127.0.0.1:9092", alias="bootstrap.servers", min_length=1)
    """Comma-separated host:port list."""
    group_id: str | None = Field(default=None, alias="group.id")
    """Consumer group; the pipeline's name if absent. Workers of one group share the partitions."""
    client_id: str = Field(default="streamapp", alias="client.id")
    """How this client names itself to the broker."""
    auto_offset_reset: Literal["earliest", "latest"] = Field(default="earliest", alias="auto.offset.reset")
    """Where a partition without a committed offset starts. `latest` skips what arrives before a partition's first
    commit: on partitions added later, or where a worker dies before it."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", alias="security.protocol"
    )
    """How the connection is secured."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER"] | None = Field(
        default=None, alias="sasl.mechanism"
    )
    """SASL mechanism. PLAIN and SCRAM need `sasl.username` and `sasl.password`, OAUTHBEARER
    `sasl.oauthbearer.token.endpoint.url`, GSSAPI (Kerberos) the extra `kafka-sasl` and a ticket."""
    sasl_username: str | None = Field(default=None, alias="sasl.username")
    """SASL user."""
    sasl_password: SecretStr | None = Field(default=None, alias="sasl.password")
    """SASL password; write `${NAME}` to take it from the environment. Never printed."""
    sasl_kerberos_service_name: str | None = Field(default=None, alias="sasl.kerberos.service.name", min_length=1)
    """Service part of the brokers' Kerberos principal; `kafka` if absent."""
    sasl_oauthbearer_method: Literal["oidc"] | None = Field(default=None, alias="sasl.oauthbearer.method")
    """How a token is had; `oidc`, which is also meant where it is absent."""
    sasl_oauthbearer_token_endpoint_url: str | None = Field(default=None, alias="sasl.oauthbearer.token.endpoint.url")
    """Where tokens come from: `https://…` of an OpenID Connect provider (client credentials), or `file:///…` of a file
    that somebody else keeps fresh; it is read again for every connection."""
    sasl_oauthbearer_client_id: str | None = Field(default=None, alias="sasl.oauthbearer.client.id")
    """Client id at the token endpoint."""
    sasl_oauthbearer_client_secret: SecretStr | None = Field(default=None, alias="sasl.oauthbearer.client.secret")
    """Client secret at the token endpoint. Never printed."""
    sasl_oauthbearer_scope: str | None = Field(default=None, alias="sasl.oauthbearer.scope")
    """Scope that is asked for at the token endpoint."""
    sasl_oauthbearer_extensions: str | None = Field(
        default=None, alias="sasl.oauthbearer.extensions", pattern=r"^[A-Za-z]+=[^,\x01]*(,[A-Za-z]+=[^,\x01]*)*$"
    )
    """What goes to the broker beside the token, as `name=value,name=value`."""
    https_ca_location: Path | None = Field(default=None, alias="https.ca.location")
    """PEM file of the certificate authority of the token endpoint; the system's authorities if absent."""
    ssl_ca_location: Path | None = Field(default=None, alias="ssl.ca.location")
    """PEM file of the certificate authority; the system's authorities if absent."""
    ssl_certificate_location: Path | None = Field(default=None, alias="ssl.certificate.location")
    """PEM file of the client certificate."""
    ssl_key_location: Path | None = Field(default=None, alias="ssl.key.location")
    """PEM file of the client key."""
    ssl_key_password: SecretStr | None = Field(default=None, alias="ssl.key.password")
    """Password of the client key. Never printed."""
    ssl_endpoint_identification_algorithm: Literal["https", "none"] = Field(
        default="https", alias="ssl.endpoint.identification.algorithm"
    )
    """`https` compares the broker's host name with its certificate, `none` does not."""
    isolation_level: Literal["read_uncommitted", "read_committed"] | None = Field(default=None, alias="isolation.level")
    """Whether records of open or aborted transactions are read: `read_committed` is implied by `delivery:
    exactly_once`, which refuses the other, and `read_uncommitted` by `at_least_once`."""
    session_timeout_ms: int = Field(default=10_000, alias="session.timeout.ms", ge=1000)
    """Without a heartbeat for this long the broker gives the partitions to other workers. Milliseconds."""
    heartbeat_interval_ms: int = Field(default=3_000, alias="heartbeat.interval.ms", ge=100)
    """Time between heartbeats. Milliseconds."""
    fetch_max_wait_ms: int = Field(default=500, alias="fetch.max.wait.ms", ge=1)
    """How long the broker may hold a fetch that finds nothing. Kafka answers as soon as there is something; a broker
    that only looks twice within this time needs a short one. Milliseconds."""
    allow_plaintext_sasl: bool = False
    """SASL without TLS, or a token endpoint without it, sends credentials in the clear; refused unless this is
    true."""


class FieldSettings(Section):
    """One declared field of the event."""

    dtype: str = Field(pattern=r"^(bool|int32|int64|float32|float64|string|category|timestamp|float32\[[1-9]\d*\])$")
    """`bool`, `int32`, `int64`, `float32`, `float64`, `string`, `category`, `timestamp` or a vector `float32[n]`."""
    required: bool = True
    """Whether an absent or null value is a failure."""
    default: Scalar | None = None
    """Taken where an optional value is absent."""
    ge: float | None = None
    """Smallest value allowed."""
    gt: float | None = None
    """Values must be greater than this."""
    le: float | None = None
    """Largest value allowed."""
    lt: float | None = None
    """Values must be less than this."""
    allowed: tuple[Scalar, ...] | None = None
    """The only values allowed; of a `category` the codes 0, 1, … in this order."""
    min_length: int | None = Field(default=None, ge=0)
    """Shortest string, in characters."""
    max_length: int | None = Field(default=None, ge=1)
    """Longest string, in characters."""
    encoding: Literal["auto", "array", "text", "base64"] = "auto"
    """How a vector is written: JSON array, comma-separated text, base64 of little-endian float32; `auto` tells an
    array from a string and takes a string as text."""


class EventSettings(Section):
    """The schema of an event."""

    id: str
    """Field that identifies the event; labels are joined on it."""
    time: str | None = None
    """Field with the event time (dtype `timestamp` or a number in `time_unit`); the record's timestamp if absent."""
    time_unit: Literal["s", "ms", "us"] = "ms"
    """Unit of a numeric event time. A string is read as ISO 8601."""
    routing_key: str | None = None
    """Field whose value decides the variant; the id if absent."""
    fields: dict[str, FieldSettings] = Field(min_length=1)
    """Declared fields; others are ignored."""


class SourceSettings(Section):
    """Where events come from and how they are written."""

    topics: tuple[str, ...] = Field(min_length=1)
    """Input topics."""
    format: Literal["json", "avro"] = "json"
    """How values are written."""
    schema_file: Path | None = None
    """Avro schema (`.avsc`) of the values; needed for `avro`."""


class RoutingSettings(Section):
    """How keys are spread over variants."""

    salt: str | None = None
    """Mixed into the hash, so that two pipelines split the same keys differently; the pipeline's name if absent."""


class ModelSettings(Section):
    """A model artefact."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    """Model name as it appears in predictions and metrics."""
    version: str = Field(default="1", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Model version as it appears in predictions and metrics."""
    path: Path
    """Artefact, relative to the pipeline file."""
    runtime: str | None = None
    """Entry point of `streamapp.runtimes`: `onnx`, `torchscript`, `torch_export`, `river`, …; by the file's
    ending if absent."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """`auto`, `cpu`, `cuda` or `cuda:i`."""
    threads: int = Field(default=1, ge=0)
    """CPU threads of one inference; 0 leaves it to the runtime."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the artefact in hex, verified before loading; required for `.river` and `.pt2`, whose loading
    can run code."""


class OutputSettings(Section):
    """Where one named score is found in the model's outputs."""

    tensor: str
    """Name of the output tensor."""
    column: int = Field(default=0, ge=0)
    """Column of a two-dimensional output; 0 also reads a one-dimensional one."""


class TensorSettings(Section):
    """A declared tensor, for formats that carry no signature."""

    dtype: str = "float32"
    """NumPy's name of the dtype."""
    shape: tuple[int | None, ...]
    """Shape with the free row axis first, as null."""


class VariantSettings(Section):
    """A model version in a role."""

    model: ModelSettings
    """The artefact."""
    weight: float = Field(default=0.0, ge=0, le=MOST_WEIGHT)
    """Share of the keys that this variant answers, relative to the other weights."""
    shadow: float = Field(default=0.0, ge=0, le=1)
    """Share of the keys that this variant scores and observes without answering."""
    feature_service: str | None = None
    """Feast feature service; absent for a model that takes event fields only."""
    inputs: dict[str, tuple[str, ...] | str]
    """Model input name -> an event field, or a list of event fields and `view:feature` names that become the columns
    of a matrix."""
    outputs: dict[str, OutputSettings] = Field(min_length=1)
    """Score name -> where it is found."""
    signature_inputs: dict[str, TensorSettings] | None = None
    """Input tensors of a model whose format carries no signature (TorchScript)."""
    signature_outputs: dict[str, TensorSettings] | None = None
    """Output tensors, likewise, in the order the model returns them."""


class FeatureViewSettings(Section):
    """The freshness contract of one feature view."""

    max_age_s: float | None = Field(default=None, gt=0)
    """Oldest feature that counts as fresh. Seconds; no limit if absent."""
    policy: Literal["serve", "default", "reject"] = "serve"
    """What happens to a stale or missing value: served as it is (missing: NaN), replaced by the default, or the row
    fails."""
    defaults: dict[str, float] = Field(default_factory=dict)
    """Feature -> value taken by `default`; NaN if absent."""


class UnavailableSettings(Section):
    """What to do while the online store does not answer."""

    retry_initial_s: float = Field(default=0.1, gt=0)
    """First pause before the next try. Seconds; doubles each time."""
    retry_max_s: float = Field(default=5.0, gt=0)
    """Longest pause. Seconds."""
    serve_defaults_after_s: float | None = Field(default=None, ge=0)
    """After this long the views' defaults are served; null pauses the worker until the store is back."""
    read_timeout_s: float = Field(default=5.0, gt=0)
    """A read of the online store that takes longer counts as failed. Seconds."""


class FeatureCacheSettings(Section):
    """The entity cache in front of the online store."""

    max_entities: int = Field(default=200_000, ge=0)
    """Entities kept per feature view; 0 turns the cache off."""
    ttl_s: float = Field(default=30.0, ge=0)
    """How long a cached entity is served before it is read again. Seconds of the features' clock."""


class FeatureSettings(Section):
    """The Feast side."""

    repository: Path
    """Folder with `feature_store.yaml`, relative to the pipeline file."""
    clock: Literal["wall", "event_time"] = "wall"
    """What ages are measured against: now, or for replays the event's own time."""
    registry_refresh_s: float = Field(default=60.0, gt=0)
    """How often the registry is read anew, in the background. Seconds."""
    cache: FeatureCacheSettings = FeatureCacheSettings()
    """The entity cache."""
    views: dict[str, FeatureViewSettings] = Field(default_factory=dict)
    """Feature view -> freshness contract."""
    entities: dict[str, str] = Field(default_factory=dict)
    """Feast join key -> event field, where the names differ."""
    unavailable: UnavailableSettings = UnavailableSettings()
    """Behaviour while the store is down."""


class BatchingSettings(Section):
    """The micro-batcher, in Triton's words."""

    max_batch_size: int = Field(default=1024, ge=1)
    """Most rows in a micro-batch."""
    max_queue_delay_microseconds: int = Field(default=5_000, ge=0)
    """Longest wait of the oldest row for others to join. Microseconds."""
    max_queue_size: int = Field(default=16_384, ge=1)
    """Rows waiting or in flight at which partitions are paused."""
    max_queue_bytes: int = Field(default=256 * 1024 * 1024, ge=1)
    """Bytes of event values waiting or in flight at which partitions are paused, whatever the rows. One fetch per
    partition, of about 1 MiB, may come on top."""
    deadline_ms: int | None = Field(default=None, ge=1)
    """Age beyond which an event is late when its batch is taken for scoring; none if absent. Milliseconds."""
    deadline_from: Literal["record", "event_time"] = "record"
    """What an event's age is measured from: its record's timestamp, or when it happened."""
    late_policy: LatePolicy = "score_anyway"
    """What happens to a late event: scored and counted, answered with `fallback_scores` without features and models,
    or sent to the dead-letter topic."""
    fallback_scores: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    """Score name -> what a late event is answered with; for `late_policy: fallback`, every score of every variant that
    answers."""


class PredictionSettings(Section):
    """The output topic."""

    topic: str
    """Where predictions go."""
    format: Literal["json", "avro"] = "json"
    """How predictions are written."""
    include_event: bool = False
    """Whether a prediction repeats its event, as it came, under `event`; for JSON events and JSON predictions."""


class DeadLetterSettings(Section):
    """The dead-letter topic."""

    topic: str
    """Where rows go that cannot be answered."""


class OutcomeSettings(Section):
    """The label topic: what really happened, later."""

    topic: str
    """Where outcomes arrive, JSON objects keyed like the events."""
    id: str
    """Field with the event's id."""
    label: str
    """Field with the label: 0 or 1 (or true/false) for classification, a number for regression."""
    time: str | None = None
    """Field with the outcome's time, ms since the epoch or ISO 8601; the record's timestamp if absent."""
    task: Literal["binary_classification", "regression"] = "binary_classification"
    """Decides the metrics."""
    score: str
    """Which of the variants' outputs is judged."""
    join_window_s: float = Field(default=86_400.0, gt=0)
    """How long a prediction waits for its outcome, and an outcome for its prediction. Seconds of event time."""
    max_pending: int = Field(default=500_000, ge=1)
    """Most predictions waiting at once, about 200 bytes each; the oldest are given up, and counted."""
    metrics_window: int = Field(default=5_000, ge=100)
    """Joined rows per variant over which live quality is computed."""


class DriftSettings(Section):
    """River detectors per variant, on each numeric feature and on the score."""

    enabled: bool = True
    """Whether detectors run."""
    detectors: tuple[Literal["adwin", "page_hinkley", "kswin"], ...] = ("adwin", "page_hinkley")
    """Which detectors run on each stream."""
    block_rows: int = Field(default=32, ge=1)
    """ADWIN and Page-Hinkley see the mean of this many consecutive rows."""
    kswin_sample_every: int = Field(default=100, ge=1)
    """KSWIN sees one row in this many."""
    reference_rows: int = Field(default=2_000, ge=100)
    """Rows that set the scale of a stream before its detectors start."""
    alarm_budget_per_day: float = Field(default=24.0, gt=0)
    """Most signals per variant and day of event time that are published; the rest are counted."""
    features: tuple[str, ...] | None = None
    """Features watched, as `view:feature` or event field; all numeric model inputs if absent."""


class AlertSettings(Section):
    """Where signals are published."""

    topic: str
    """Alerts topic."""


class MetricsSettings(Section):
    """The Prometheus endpoint."""

    enabled: bool = True
    """Whether it listens."""
    host: str = "127.0.0.1"
    """Interface."""
    port: int = Field(default=9108, ge=0, le=65535)
    """Port of the first worker; further ones of `--workers` count up. 0 takes a free one."""


class WorkerSettings(Section):
    """The life cycle of a worker."""

    drain_s: float = Field(default=20.0, gt=0)
    """On SIGTERM, how long batches in flight may take to finish. Seconds."""
    commit_interval_s: float | None = Field(default=None, gt=0)
    """Time between commits, and with `exactly_once` between transactions, whose outputs `read_committed` readers see
    only then. Seconds; 1.0 if absent, 0.2 with `exactly_once`."""
    broker_wait_s: float = Field(default=60.0, ge=0)
    """How long to wait for the broker at start before exiting with an error. Seconds."""
    progress_timeout_s: float | None = Field(default=120.0, ge=0)
    """A partition with work that makes no progress for this long ends the process with status 3, so that whatever
    supervises it starts it again: a model that hangs, an event loop that is blocked. Waiting for a broker or a store
    that is down does not count; a broker counts as down once `session.timeout.ms` has passed. Longer than the slowest
    batch, `commit_interval_s` and that timeout take; null or 0 turns it off. Seconds."""
    max_batches_in_flight: int = Field(default=3, ge=1)
    """Micro-batches between decode and acknowledgement at once."""
    observe_queue_batches: int = Field(default=64, ge=1)
    """Batches that may wait for the observers; further ones are dropped and counted."""
    auto_create_topics: bool = False
    """Whether missing output topics are created at start (with the input's partition count)."""


class ControlSettings(Section):
    """What serves is changed while it runs, by commands on a control log. Without this section the variants of this
    file serve for as long as the process lives."""

    registry: str = Field(min_length=1)
    """The model registry that versions come from: a folder, relative to the pipeline file, or a URL that fsspec
    knows."""
    topic: str | None = None
    """What the names of the control topics begin with (`<topic>.control.log`, …); the pipeline's name if absent.
    Pipelines with the same control topics are controlled together."""
    report_interval_s: float = Field(default=1.0, gt=0)
    """How often a worker reports its evidence to the one that leads. Seconds."""
    alias: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] | None = "champion"
    """The alias in the registry that follows the version that answers: the worker that leads moves it after a
    promotion or a rollback, which needs the right to write there. Name another one per pipeline where several serve one
    model from one registry; null leaves the registry as it is."""
    cache: Path | None = None
    """Local folder that keeps artefacts fetched from the registry, relative to the pipeline file; one that the process
    removes when it ends if absent."""


class PipelineSettings(Section):
    """A whole `pipeline.yaml`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the pipeline: consumer group, salt and metrics namespace unless said otherwise."""
    kafka: KafkaSettings = KafkaSettings()
    """Broker connection."""
    delivery: Literal["at_least_once", "exactly_once"] = "at_least_once"
    """Whether an event may be answered again after a crash, or outputs and offsets share Kafka transactions."""
    source: SourceSettings
    """Input."""
    event: EventSettings
    """Schema of the events."""
    variants: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")], VariantSettings] = Field(min_length=1)
    """Model variants by name; at least one has a weight."""
    routing: RoutingSettings = RoutingSettings()
    """Assignment of keys to variants."""
    features: FeatureSettings | None = None
    """Feast; needed once a variant names a feature service."""
    batching: BatchingSettings = BatchingSettings()
    """Micro-batches."""
    predictions: PredictionSettings
    """Output."""
    dead_letters: DeadLetterSettings
    """Where bad rows go."""
    outcomes: OutcomeSettings | None = None
    """Delayed labels; without them no live quality."""
    drift: DriftSettings = DriftSettings()
    """Drift detection."""
    alerts: AlertSettings | None = None
    """Where signals go; without it they are only metrics and log lines."""
    metrics: MetricsSettings = MetricsSettings()
    """Prometheus."""
    control: ControlSettings | None = None
    """Rollouts and rollbacks while it runs; without it the variants stay as they are here."""
    worker: WorkerSettings = WorkerSettings()
    """Life cycle."""
