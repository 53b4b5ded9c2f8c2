"""streamapp scores Kafka event streams in real time, batch by batch, with Feast features and versioned models."""

__version__ = "0.1.0"

__all__ = ["__version__"]
