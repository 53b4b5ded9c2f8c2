"""A scored batch to the records that are published: predictions, dead letters, alerts (docs/wire.md)."""

from streamapp.encode.build import build_encoder, build_json_encoder
from streamapp.encode.dead_letters import encode_dead_letters
from streamapp.encode.signals import encode_signals

__all__ = ["build_encoder", "build_json_encoder", "encode_dead_letters", "encode_signals"]
