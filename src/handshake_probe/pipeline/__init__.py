"""The public Python API: from a capture and keys to a measurement. Joins rooms, decides nothing."""

from __future__ import annotations

from handshake_probe.pipeline.analysis import Interrupted, Progress, analyze
from handshake_probe.pipeline.keyfiles import load_keys

__all__ = ["Interrupted", "Progress", "analyze", "load_keys"]
