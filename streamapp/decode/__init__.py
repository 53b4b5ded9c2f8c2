"""Bytes to typed columns; what breaks the declared schema becomes a failed row."""

from streamapp.decode.build import build_decoder, build_outcome_decoder

__all__ = ["build_decoder", "build_outcome_decoder"]
