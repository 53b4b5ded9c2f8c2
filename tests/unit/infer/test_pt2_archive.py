import io
import json
import zipfile

import pytest

from streamapp.errors import ModelLoadError
from streamapp.infer.pt2_archive import check_archive

TENSOR = {"path_name": "weight_0", "use_pickle": False}
PLAIN = {
    "a/archive_format": "pt2",
    "a/models/model.json": "{}",
    "a/data/weights/weight_0": "....",
    "a/data/weights/model_weights_config.json": json.dumps({"config": {"l.weight": TENSOR}}),
    "a/data/constants/model_constants_config.json": json.dumps({"config": {}}),
    "a/data/sample_inputs/model.pt": "tensors",
    "a/.data/serialization_id": "1",
}


def archive(changes: dict[str, str | None]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in {**PLAIN, **changes}.items():
            if content is not None:
                file.writestr(name, content)
    return buffer.getvalue()


def safe(sample: bytes) -> None:
    if sample != b"tensors":
        raise ValueError("not tensors")


def config(**entry: object) -> str:
    return json.dumps({"config": {"w": {**TENSOR, **entry}}})


def test_a_plain_archive_passes():
    check_archive(archive({}), safe)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a/data/weights/model_weights_config.json": config(use_pickle=True)}, "`w` is pickled"),
        ({"a/data/constants/model_constants_config.json": config(path_name="custom_obj_0")}, "`w` is pickled"),
        ({"a/data/constants/model_constants_config.json": config(path_name="opaque_obj_0")}, "`w` is pickled"),
        ({"a/data/constants/opaque_obj_0": "x"}, "neither a graph nor a tensor"),
        ({"a/data/weights/model.pt": "x"}, "neither a graph nor a tensor"),
        ({"a/data/aotinductor/model/x.so": "x"}, "neither a graph nor a tensor"),
        ({"a/data/sample_inputs/model.pt": "objects"}, "sample inputs hold pickled objects"),
        ({"b/models/model.json": "{}"}, "ambiguous"),
        ({"a/MODELS/model.json": "{}"}, "ambiguous"),
        ({"a/models/model.json": None}, "torch 2.7 or older"),
        ({"a/data/weights/model_weights_config.json": "[1]"}, "damaged"),
        ({"a/data/weights/model_weights_config.json": "nonsense"}, "damaged"),
    ],
)
def test_what_could_run_code_is_refused(changes: dict[str, str | None], message: str):
    with pytest.raises(ModelLoadError, match=message):
        check_archive(archive(changes), safe)


def test_what_is_no_archive_is_refused():
    with pytest.raises(ModelLoadError, match=r"not a torch\.export archive"):
        check_archive(b"\x80\x04pickle", safe)
