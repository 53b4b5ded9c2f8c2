"""Two models of "will this flight arrive late?", trained on January and February and exported to ONNX."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import pandas as pd
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.metrics import roc_auc_score

from streamapp.demo.columns import CHALLENGER, CHAMPION, Vocabulary, join_features, matrix
from streamapp.demo.flights import FlightData

TRAINING_MONTHS = (1, 2)
_OPSET = 15
_LEARNER = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.07,
    "min_data_in_leaf": 200,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "feature_fraction": 0.5,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "seed": 2013,
    "verbose": -1,
}
"""Small trees: quick in ONNX Runtime, and two months are not much to learn a year from. One thread: OpenMP's
threads wait for each other actively, which on a busy machine takes ten times as long."""
_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Trained:
    """A model on disk. rows: flights it was trained on; auc: on those same flights."""

    name: str
    path: Path
    rows: int
    auc: float


def train(data: FlightData, directory: Path) -> tuple[Trained, Trained]:
    """Champion (schedule) and challenger (schedule, weather, plane), as `champion.onnx` and `challenger.onnx`.

    Each takes `input` float32 (n, columns) in the order of `columns.CHAMPION` or `columns.CHALLENGER`, NaN where a
    value is missing, and gives `label` int64 (n,) and `probabilities` float32 (n, 2), second column: late.
    """
    vocabulary = Vocabulary.of(data.flights)
    flights = data.flights
    known = flights[flights["month"].isin(TRAINING_MONTHS) & flights["late"].notna()]
    joined = join_features(known, data.weather, data.planes)
    directory.mkdir(parents=True, exist_ok=True)
    return (
        _fit(joined, CHAMPION, vocabulary, directory / "champion.onnx"),
        _fit(joined, CHALLENGER, vocabulary, directory / "challenger.onnx"),
    )


def _fit(joined: pd.DataFrame, columns: Sequence[str], vocabulary: Vocabulary, path: Path) -> Trained:
    inputs, late = matrix(joined, columns, vocabulary), joined["late"].to_numpy()
    booster = lightgbm.train(_LEARNER, lightgbm.Dataset(inputs, late), num_boost_round=_ROUNDS)
    path.write_bytes(export(booster, inputs.shape[1]))
    return Trained(path.stem, path, len(late), float(roc_auc_score(late, booster.predict(inputs))))


def export(booster: lightgbm.Booster, width: int) -> bytes:
    """The ONNX file of a binary booster over `width` columns, for any number of rows."""
    model = convert_lightgbm(
        booster, initial_types=[("input", FloatTensorType([None, width]))], zipmap=False, target_opset=_OPSET
    )
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[0].dim_param = "rows"
    payload: bytes = model.SerializeToString()
    return payload
