import pytest

from streamapp.config.settings import EventSettings, FieldSettings, ModelSettings, OutputSettings, VariantSettings
from streamapp.errors import ContractError
from streamapp.infer import check_contract
from streamapp.protocols import Signature, TensorSpec

EVENT = EventSettings(
    id="id",
    fields={
        "id": FieldSettings(dtype="string"),
        "hour": FieldSettings(dtype="int32"),
        "distance": FieldSettings(dtype="float64"),
        "delay": FieldSettings(dtype="int64", required=False),
        "carrier": FieldSettings(dtype="category", allowed=("AA", "UA")),
        "image": FieldSettings(dtype="float32[784]"),
        "late": FieldSettings(dtype="bool"),
    },
)
FEATURES = ("weather:temp", "weather:wind")
OUTPUT = TensorSpec("p", "float32", (None, 2))


def variant(inputs: dict, outputs: dict | None = None) -> VariantSettings:
    wanted = outputs or {"score": OutputSettings(tensor="p", column=1)}
    return VariantSettings(model=ModelSettings(name="m", path="m.onnx"), inputs=inputs, outputs=wanted)


def check(inputs: dict, *specs: TensorSpec, outputs: dict | None = None, features: tuple[str, ...] = FEATURES) -> None:
    check_contract("champion", variant(inputs, outputs), Signature(specs, (OUTPUT,)), EVENT, features)


def spec(dtype: str, *trailing: int | None) -> TensorSpec:
    return TensorSpec("x", dtype, (None, *trailing))


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (("hour", "distance", "delay", "carrier", "late", "weather:temp"), spec("float32", 6)),
        (("hour", "weather:wind"), spec("float32", None)),
        (("image", "hour"), spec("float32", 785)),
        ("image", spec("float32", 1, 28, 28)),
        ("hour", spec("int64")),
        ("carrier", spec("int64", 1)),
        ("late", spec("bool", 1)),
        ("id", spec("str", 1)),
        ("weather:temp", spec("float64", 1)),
        (("hour", "late"), spec("int64", 2)),
    ],
)
def test_fits(wanted: str | tuple[str, ...], taken: TensorSpec):
    check({"x": wanted}, taken)


@pytest.mark.parametrize(
    ("wanted", "taken", "problem"),
    [
        (("hour", "distance"), spec("float32", 3), "2 columns, the model takes 3"),
        (("hour", "distance"), spec("float32"), "2 columns for an input that takes one value per row"),
        ("distance", spec("int64"), "`distance` is float64; the model takes int64"),
        ("delay", spec("int64"), "NaN where absent: make it required or give it a default"),
        ("weather:temp", spec("int64"), "`weather:temp` is float32; the model takes int64"),
        ("id", spec("float32", 1), "`id` is str, the model takes float32"),
        ("hour", spec("str", 1), "`hour` is int32, the model takes str"),
        ("hour", spec("bool", 1), "`hour` is int32, the model takes bool"),
        ("distanse", spec("float32"), "no event field or feature `distanse`; nearest is `distance`"),
        (("weather:tmp",), spec("float32", 1), "nearest is `weather:temp`"),
        ("image", spec("float32", 28, 27), "784 numbers per row, the model takes 756"),
        ("image", spec("float32", None, 28), "more than one free axis"),
        ("hour", TensorSpec("x", "float32", ()), "no row axis"),
        ("hour", spec("complex64", 1), "complex64 cannot be filled"),
    ],
)
def test_does_not_fit(wanted: str | tuple[str, ...], taken: TensorSpec, problem: str):
    with pytest.raises(ContractError) as caught:
        check({"x": wanted}, taken)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (OutputSettings(tensor="q"), "the model has no such output"),
        (OutputSettings(tensor="p", column=2), "the output has 2 columns"),
    ],
)
def test_output_that_is_not_there(output: OutputSettings, problem: str):
    with pytest.raises(ContractError, match=problem):
        check({"x": "hour"}, spec("float32"), outputs={"score": output})


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (TensorSpec("p", "str", (None,)), "this output is text"),
        (TensorSpec("p", "float32", (None, 2, 2)), "more than two axes"),
        (TensorSpec("p", "float32", (None,)), "the output has 1 column$"),
    ],
)
def test_output_that_is_no_score(found: TensorSpec, problem: str):
    with pytest.raises(ContractError, match=problem):
        check_contract("a", variant({"x": "hour"}), Signature((spec("float32"),), (found,)), EVENT, ())


def test_both_sides_are_shown_side_by_side():
    with pytest.raises(ContractError) as caught:
        check(
            {"x": ("hour", "distance"), "odd": "hour"},
            spec("float32", 3),
            TensorSpec("mask", "bool", (None,)),
        )
    assert str(caught.value).splitlines() == [
        "variant `champion`: model `m` and the pipeline do not match (3 problems)",
        "  model               | pipeline                                   | problem",
        "  --------------------+--------------------------------------------+--------",
        "  inputs",
        "  x: float32[rows, 3] | int32/float64[rows, 2] from hour, distance | 2 columns, the model takes 3",
        "  mask: bool[rows]    | -                                          | nothing given: add it to `inputs`",
        "  -                   | odd                                        | the model has no such input",
        "  outputs",
        "  p: float32[rows, 2] | score: p, column 1",
    ]
