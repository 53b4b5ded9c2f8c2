"""The one error tree.

StreamappError                      code                    disposition
├── ConfigError                     config                  HALT
├── SchemaError                     schema                  HALT
├── ControlError                    control                 HALT
│   └── UnknownFormat               control_format          HALT
├── ModelError                      model                   HALT
│   ├── ModelLoadError              model_load              HALT
│   ├── ContractError               model_contract          HALT
│   └── RegistryError               model_registry          HALT
│       ├── UnknownVersion          unknown_version         HALT
│       ├── VersionTaken            version_taken           HALT
│       └── IntegrityError          model_integrity         HALT
├── InferenceError                  inference               DEAD_LETTER
├── DependencyError                 dependency              RETRY
│   ├── BrokerUnavailable           broker_unavailable      RETRY
│   ├── PublishError                publish                 RETRY
│   ├── FeatureStoreUnavailable     feature_store           RETRY
│   └── RegistryUnavailable         registry_unavailable    RETRY
│       └── RegistryForbidden       registry_forbidden      RETRY
└── RecordTooLarge                  record_too_large        DEAD_LETTER

An exception outside this tree is a bug: the worker stops without acknowledging.
A bad *row* is not an exception at all; it is a `streamapp.types.Failure` in its batch.
"""

from enum import Enum
from typing import ClassVar


class Disposition(Enum):
    """What the worker does with the rows of a batch whose stage raised."""

    DEAD_LETTER = "dead_letter"
    RETRY = "retry"
    HALT = "halt"


class StreamappError(Exception):
    """Base of everything that streamapp raises on purpose."""

    code: ClassVar[str] = "streamapp"
    disposition: ClassVar[Disposition] = Disposition.HALT


class ConfigError(StreamappError):
    """A pipeline file cannot be used; the message names file, line, key and what to do."""

    code = "config"


class SchemaError(StreamappError):
    """A declared event schema is contradictory or cannot be honoured by its format."""

    code = "schema"


class ControlError(StreamappError):
    """The control log, or a command for it, cannot be followed."""

    code = "control"


class UnknownFormat(ControlError):
    """What a newer version of streamapp wrote to the control topics, and this one would read differently."""

    code = "control_format"


class ModelError(StreamappError):
    """A model cannot serve."""

    code = "model"


class ModelLoadError(ModelError):
    """The artefact is absent, unsafe, corrupt or not of the declared runtime."""

    code = "model_load"


class ContractError(ModelError):
    """The model's signature and what the pipeline gives or expects do not match."""

    code = "model_contract"


class RegistryError(ModelError):
    """The model registry cannot do what it was asked; its content is as it was."""

    code = "model_registry"


class UnknownVersion(RegistryError):
    """No such model, version or alias; the message names those that exist."""

    code = "unknown_version"


class VersionTaken(RegistryError):
    """The version exists with other content, and versions never change."""

    code = "version_taken"


class IntegrityError(RegistryError):
    """What the registry holds is not what its manifest says."""

    code = "model_integrity"


class InferenceError(StreamappError):
    """The model failed on an input that fits its signature."""

    code = "inference"
    disposition = Disposition.DEAD_LETTER


class DependencyError(StreamappError):
    """Something outside is unavailable; that is not the event's fault."""

    code = "dependency"
    disposition = Disposition.RETRY


class BrokerUnavailable(DependencyError):
    """No Kafka broker answers at the configured address."""

    code = "broker_unavailable"


class PublishError(DependencyError):
    """The broker did not acknowledge an output record."""

    code = "publish"


class FeatureStoreUnavailable(DependencyError):
    """The online store did not answer."""

    code = "feature_store"


class RegistryUnavailable(DependencyError):
    """The storage of the model registry did not answer, or refused."""

    code = "registry_unavailable"


class RegistryForbidden(RegistryUnavailable):
    """The storage of the model registry does not permit this to us; trying again does not help."""

    code = "registry_forbidden"


class RecordTooLarge(StreamappError):
    """An output record exceeds what the broker accepts."""

    code = "record_too_large"
    disposition = Disposition.DEAD_LETTER
