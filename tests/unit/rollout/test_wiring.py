import pytest

from streamapp.act.commands import DeclaredVariant
from streamapp.act.state import State
from streamapp.config.settings import ModelSettings, OutputSettings, VariantSettings
from streamapp.errors import ConfigError, ControlError, ModelLoadError
from streamapp.rollout.wiring import resolve
from streamapp.types import Tenant
from tests.rollout_log import Shelf

STATE = State(
    declared={
        "champion": DeclaredVariant("champion", "fraud", "1", 1.0, 0.0),
        "challenger": DeclaredVariant("challenger", "fraud", "2", 0.0, 0.0),
        "other": DeclaredVariant("other", "churn", "1", 1.0, 0.0),
        "other-canary": DeclaredVariant("other", "churn", "1", 0.0, 0.0),
    },
    tenants={
        "champion": Tenant("champion"),
        "challenger": Tenant("challenger"),
        "other": Tenant("other"),
        "other-canary": Tenant("other"),
    },
)


def variant(service: str | None) -> VariantSettings:
    return VariantSettings(
        model=ModelSettings(name="fraud", path="m.onnx"),
        feature_service=service,
        inputs={"x": ("amount",)},
        outputs={"fraud": OutputSettings(tensor="p")},
    )


VARIANTS = {"champion": variant("v1"), "challenger": variant("v2"), "other": variant("v3")}


@pytest.mark.parametrize(
    ("version", "like", "tenant"),
    [
        ("2", None, Tenant("challenger")),
        ("2", "challenger", Tenant("challenger")),
        ("2", "champion", Tenant("champion", "2")),
        ("5", None, Tenant("challenger", "5")),
        ("5", "champion", Tenant("champion", "5")),
        ("6", None, Tenant("champion", "6")),
        ("7", None, Tenant("champion", "7")),
    ],
    ids=["own", "own-named", "named", "trained-with", "named-first", "foreign-service", "no-service"],
)
def test_whose_wiring_a_version_has(version, like, tenant):
    shelf = Shelf({"2": "v2", "5": "v2", "6": "v3", "7": None})
    assert resolve(STATE, VARIANTS, shelf, "fraud", version, like) == tenant
    # What is in the file needs no registry; what is not was checked with the wiring that it gets.
    assert shelf.checked == ([] if tenant.version is None else [("fraud", version, tenant.wiring)])


def test_the_stable_variant_s_wiring_is_what_it_has_now():
    state = State(declared=STATE.declared, tenants={**STATE.tenants, "champion": Tenant("challenger", "4")})
    assert resolve(state, VARIANTS, Shelf({"7": None}), "fraud", "7") == Tenant("challenger", "7")


def test_what_is_refused():
    with pytest.raises(ConfigError, match="--like: model `fraud` has no variant `chalenger`\n  -> did you mean `chall"):
        resolve(STATE, VARIANTS, Shelf({}), "fraud", "2", "chalenger")
    with pytest.raises(ConfigError, match="model `churn` has no variant `other-canary`"):
        resolve(STATE, VARIANTS, Shelf({}), "churn", "2", "other-canary")
    with pytest.raises(ModelLoadError, match="no version 9"):
        resolve(STATE, VARIANTS, Shelf({}), "fraud", "9")
    with pytest.raises(ControlError, match="no variant of the pipeline serves model `frod`; models: churn, fraud"):
        resolve(STATE, VARIANTS, Shelf({}), "frod", "2")
    with pytest.raises(ControlError, match="no worker has declared its variants yet"):
        resolve(State(), VARIANTS, Shelf({}), "fraud", "2")
