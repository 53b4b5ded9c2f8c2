import io
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamapp import offline
from streamapp.config.load import load_pipeline
from streamapp.errors import ConfigError
from streamapp.offline import Counts, predict_lines
from streamapp.pipeline import Pipeline

PIPELINE = """\
name: p
source: {topics: [in]}
event:
  id: id
  fields: {id: {dtype: string}, a: {dtype: float32}}
variants:
  only: {weight: 1, model: {name: m, path: m.onnx}, inputs: {x: [a]}, outputs: {y: {tensor: y}}}
predictions: {topic: out}
dead_letters: {topic: dead}
"""


@pytest.fixture
def pipeline(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])],
        [helper.make_tensor("w", TensorProto.FLOAT, [1, 1], np.full(1, 2, np.float32).tobytes(), raw=True)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    (tmp_path / "p.yaml").write_text(PIPELINE)
    with Pipeline.load(tmp_path / "p.yaml") as loaded:
        yield loaded


def test_one_line_per_event_in_order_across_chunks(pipeline, monkeypatch):
    monkeypatch.setattr(offline, "CHUNK_LINES", 2)
    lines = [
        b'{"id": "1", "a": 1}\n',
        b"\n",
        b"nonsense\n",
        b'{"id": "3", "a": 3}\n',
        b'{"id": "4"}\n',
        b'{"id": "5", "a": 5}',
    ]
    out = io.BytesIO()
    assert predict_lines(pipeline, lines, out) == Counts(answered=3, failed=2)
    said = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["scores"]["y"] if "scores" in line else line["failure"]["field"] for line in said] == [
        2,
        "",
        6,
        "a",
        10,
    ]


def test_an_avro_source_is_refused(tmp_path, pipeline):
    settings = load_pipeline(tmp_path / "p.yaml", ["source.format=avro", "source.schema_file=x.avsc"])
    pipeline.settings = settings
    with pytest.raises(ConfigError, match="JSON lines, but the source's format is avro"):
        predict_lines(pipeline, [], io.BytesIO())
