import pytest

from streamapp.enrich.plan import plan_features
from streamapp.enrich.reader import FeatureDescription, JoinKey, ServiceDescription, ViewDescription
from streamapp.errors import ConfigError, ContractError


def view(name, key, *features, stored=None, dtype="string"):
    described = tuple(FeatureDescription(f, "Float32", True) for f in features)
    return ViewDescription(name, stored or name, (JoinKey(key, key, dtype),), described)


WX = view("wx", "origin", "wind", "temp")
SERVICES = {
    "s": ServiceDescription("s", (WX,)),
    "t": ServiceDescription("t", (view("calm", "origin", "gusts", "wind", stored="wx"),)),
    "ints": ServiceDescription("ints", (view("plane", "plane_id", "year", dtype="int64"),)),
    "text": ServiceDescription(
        "text",
        (ViewDescription("wx", "wx", WX.join_keys, (FeatureDescription("sky", "String", False), *WX.features)),),
    ),
}


@pytest.fixture
def plan(make_settings, make_event, make_variant):
    def make(*services, inputs=(), event=None, **settings):
        variants = {f"v{index}": make_variant(service, *inputs) for index, service in enumerate(services)}
        event = event or make_event(origin="string", plane_id="int64")
        known = {name: SERVICES[name] for name in services if name}
        return plan_features(make_settings(**settings), event, variants, known)

    return make


def test_views_shared_by_services_are_read_once_with_all_their_features(plan):
    made = plan("s", "t", None)
    assert made.stored == {"wx": ("wind", "temp", "gusts")}
    assert len(made.bindings) == 1
    first, second, third = made.variants.values()
    assert first.names == ("wx:wind", "wx:temp")
    assert first.parts[0].columns.tolist() == [0, 1]
    assert second.names == ("calm:gusts", "calm:wind")
    assert second.parts[0].columns.tolist() == [2, 0]
    assert third is None


def test_text_features_are_left_out_of_the_block(plan):
    assert plan("text").variants["v0"].names == ("wx:wind", "wx:temp")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"views": {"wxx": {}}}, r"features\.views: no feature view 'wxx'; did you mean 'wx'\? There are: wx"),
        ({"views": {"wx": {"defaults": {"wnd": 1}}}}, r"wx\.defaults: no feature 'wnd'; did you mean 'wind'\?"),
        ({"entities": {"orign": "x"}}, r"features\.entities: no join key 'orign'; did you mean 'origin'\?"),
        ({"entities": {"origin": "orgin"}}, r"the event has no field 'orgin'; did you mean 'origin'\?"),
        ({"entities": {"origin": "plane_id"}}, r"'plane_id' is int64 and cannot hold"),
    ],
)
def test_names_that_do_not_fit(plan, settings, message):
    with pytest.raises(ConfigError, match=message):
        plan("s", **settings)


@pytest.mark.parametrize("dtype", ["string", "float64", "bool", "timestamp"])
def test_fields_that_hold_no_integers(plan, make_event, dtype):
    with pytest.raises(ConfigError, match="cannot hold its values"):
        plan("ints", event=make_event(plane_id=dtype))


@pytest.mark.parametrize(
    ("service", "allowed", "fits"),
    [("s", ["a"], True), ("s", [1], False), ("ints", [1, 2], True), ("ints", ["a"], False), ("ints", [True], False)],
)
def test_categories_fit_by_their_values(plan, make_event, service, allowed, fits):
    field = {"dtype": "category", "allowed": allowed}
    event = make_event(origin=field, plane_id=field)
    if fits:
        assert plan(service, event=event).bindings[0].fields[0].labels == tuple(allowed)
    else:
        with pytest.raises(ConfigError, match="is category and cannot hold"):
            plan(service, event=event)


def test_model_inputs_are_looked_for_in_the_service(plan):
    assert plan("s", inputs=["wx:wind", "origin"]).variants["v0"] is not None
    with pytest.raises(
        ContractError, match=r"'wx:wnd', which feature service 's' does not hold; did you mean 'wx:wind'"
    ):
        plan("s", inputs=["wx:wnd"])
    with pytest.raises(ContractError, match="which is String in Feast"):
        plan("text", inputs=["wx:sky"])
    with pytest.raises(ConfigError, match="names no feature_service"):
        plan(None, inputs=["wx:wind"])


def test_an_event_field_may_hold_a_colon(plan, make_event):
    event = make_event(origin="string", **{"a:b": "float32"})
    assert plan("s", inputs=["a:b"], event=event).variants["v0"] is not None
