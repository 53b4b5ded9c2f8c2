"""Features and event columns in, scores out: one lane per variant, one runtime per model format.

Importing this package imports no model library; a runtime's library is imported when its model is loaded.
"""

from streamapp.infer.build import build_inferrer
from streamapp.infer.contract import check_contract

__all__ = ["build_inferrer", "check_contract"]
