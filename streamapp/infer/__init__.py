"""Features and event columns in, scores out: one lane per variant, one runtime per model format.

Importing this package imports no model library; a runtime's library is imported when its model is loaded.
"""

from streamapp.infer.build import build_inferrer, warm_lane
from streamapp.infer.contract import check_contract
from streamapp.infer.lane import Lane
from streamapp.infer.loading import load_runtime
from streamapp.infer.runner import ModelInferrer

__all__ = ["Lane", "ModelInferrer", "build_inferrer", "check_contract", "load_runtime", "warm_lane"]
