"""What the rules say about one run of a probe, or of a replay."""

from __future__ import annotations

from dataclasses import dataclass

from handshake_probe.diagnose.judgement import Clue, Judgement
from handshake_probe.model.vocabulary import Cause, Stage


@dataclass(frozen=True)
class ProbeVerdict:
    """The judgement over one run, how far the handshake came, and all remarks."""

    judgement: Judgement
    stage: Stage
    remarks: tuple[Clue, ...]
    ruled_out: tuple[Cause, ...]
    target: str | None
