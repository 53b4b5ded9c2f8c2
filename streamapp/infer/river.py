"""River models, which learn online and are stored as pickles.

A pickle runs code while it is opened, so only the exact file that the pipeline file pins is opened
(docs/decisions/river-models.md). What has been verified is what is opened: the bytes are read once.
"""

import pickle
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from river import base

from streamapp.errors import ContractError, ModelLoadError
from streamapp.infer.artifact import check_file, read_pinned
from streamapp.infer.faults import blame, shorten
from streamapp.protocols import Runtime, RuntimeOptions, Signature, TensorSpec
from streamapp.types import Array, Float64

try:
    from river.base import AnomalyDetector
except ImportError:  # River 0.22, the last for Python 3.10, has it elsewhere
    from river.anomaly.base import AnomalyDetector

_Score = Callable[[Mapping[str, Array]], Float64]


def load(path: Path, options: RuntimeOptions) -> Runtime:
    """A pickled River estimator. `signature_inputs` declares its features, one tensor of shape [null] each.

    A classifier gives `probabilities` (m, k): k is declared in `signature_outputs`, 2 if absent; column i is the
    probability of class i, False and True being 0 and 1. A regressor gives `predictions` (m,), an anomaly detector
    `scores` (m,). Raises `ModelLoadError`, `ContractError`.
    """
    check_file(path)
    if options.signature is None or not options.signature.inputs:
        raise ModelLoadError(
            f"model {path}: a River model carries no signature; declare its features in `signature_inputs` "
            "(name: {dtype: float64, shape: [null]})"
        )
    for spec in options.signature.inputs:
        if len(spec.shape) != 1:
            raise ContractError(f"input `{spec.name}`: a River feature is one value per row, shape [null]")
    content = read_pinned(path, options.sha256, "a River model is a pickle, and opening one can run any code")
    try:
        model = pickle.loads(content)
    except Exception as error:
        raise ModelLoadError(
            f"model {path}: cannot be unpickled here (another River or Python version?): {shorten(str(error))}"
        ) from error
    return RiverModel(model, options.signature)


class RiverModel:
    """Scores rows without learning from them."""

    def __init__(self, model: Any, declared: Signature) -> None:
        output, self._score = _scorer(model, declared.outputs)
        self.signature = Signature(declared.inputs, (output,))

    def infer(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Score m rows. Raises `InferenceError`, `ContractError`, or what `blame` makes of the error."""
        try:
            return {self.signature.outputs[0].name: self._score(inputs)}
        except ContractError:
            raise
        except Exception as error:
            raise blame(error) from error

    def close(self) -> None:
        """Nothing to free but memory."""


def _scorer(model: Any, declared: Sequence[TensorSpec]) -> tuple[TensorSpec, _Score]:
    steps = list(model.steps.values()) if hasattr(model, "steps") else [model]
    final, before = steps[-1], steps[:-1]
    batched = all(isinstance(step, base.MiniBatchTransformer) for step in before)
    if isinstance(final, base.Classifier):
        classes = next((spec.shape[1] for spec in declared if len(spec.shape) == 2), None) or 2
        spec = TensorSpec("probabilities", "float64", (None, classes))
        if batched and isinstance(final, base.MiniBatchClassifier):
            return spec, lambda inputs: _class_columns(model.predict_proba_many(pd.DataFrame(dict(inputs))), classes)
        return spec, lambda inputs: _class_rows([model.predict_proba_one(row) for row in _rows(inputs)], classes)
    if isinstance(final, base.Regressor):
        spec = TensorSpec("predictions", "float64", (None,))
        if batched and isinstance(final, base.MiniBatchRegressor):
            return spec, lambda inputs: np.array(model.predict_many(pd.DataFrame(dict(inputs))), np.float64)
        return spec, lambda inputs: np.array([model.predict_one(row) for row in _rows(inputs)], np.float64)
    if isinstance(final, AnomalyDetector):
        spec = TensorSpec("scores", "float64", (None,))
        return spec, lambda inputs: np.array([model.score_one(row) for row in _rows(inputs)], np.float64)
    raise ModelLoadError(
        f"a River {type(final).__name__} cannot score events; a classifier, a regressor or an anomaly detector can"
    )


def _rows(inputs: Mapping[str, Array]) -> Iterator[dict[str, Any]]:
    names = list(inputs)
    for values in zip(*(column.tolist() for column in inputs.values()), strict=True):
        yield dict(zip(names, values, strict=True))


def _class_rows(rows: Sequence[Mapping[Hashable, float]], classes: int) -> Float64:
    """A model that has learned nothing gives no probabilities: NaN, so that the row fails."""
    out = np.zeros((len(rows), classes))
    for place, row in enumerate(rows):
        if not row:
            out[place] = np.nan
        for label, probability in row.items():
            out[place, _class_index(label, classes)] = probability
    return out


def _class_columns(frame: pd.DataFrame, classes: int) -> Float64:
    out = np.zeros((len(frame), classes))
    if frame.shape[1] == 0:
        out[:] = np.nan
    for label in frame.columns:
        out[:, _class_index(label, classes)] = frame[label].to_numpy(np.float64)
    return out


def _class_index(label: Hashable, classes: int) -> int:
    if isinstance(label, (bool, int, np.bool_, np.integer)) and 0 <= int(label) < classes:
        return int(label)
    raise ContractError(
        f"the model knows the class {label!r}; classes must be 0 to {classes - 1} (or False and True): train it on "
        "numbers, or declare as many columns in `signature_outputs`"
    )
