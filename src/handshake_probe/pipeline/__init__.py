"""The public Python API: from a capture and keys to a measurement. Joins rooms, decides nothing."""

from __future__ import annotations

from handshake_probe.pipeline.analysis import CLOUD_PORT, Interrupted, Progress, analyze
from handshake_probe.pipeline.keyfiles import keys_used, load_keys

__all__ = ["CLOUD_PORT", "Interrupted", "Progress", "analyze", "keys_used", "load_keys"]
