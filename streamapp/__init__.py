"""streamapp scores Kafka event streams in real time, batch by batch, with Feast features and versioned models."""

from streamapp.pipeline import Pipeline, Predictions

__version__ = "0.1.0"

__all__ = ["Pipeline", "Predictions", "__version__"]
