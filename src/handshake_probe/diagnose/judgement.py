"""What a rule says about one connection."""

from __future__ import annotations

from dataclasses import dataclass

from handshake_probe.model.measurement import Blocker
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism

HOTSPOT = (
    "The same test from another network (a phone hotspot): "
    "if it works there this network is to blame, else the cloud."
)


@dataclass(frozen=True, slots=True)
class Clue:
    """A finding before it is written down: catalogue code, the facts of this case, evidence."""

    code: str
    text: str
    evidence: tuple[str, ...]
    confidence: Confidence = Confidence.PROVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One connection judged. `clues[0]` is the finding the cause rests on."""

    cause: Cause
    mechanism: Mechanism | None
    confidence: Confidence
    candidates: tuple[Cause, ...]
    clues: tuple[Clue, ...]
    summary: str
    settles: str | None = None
    assumption: str | None = None
    blocker: Blocker | None = None
    capture_ended: bool = False  # nothing failed: the capture stopped while steps were running


def frames(*numbers: int | None) -> tuple[str, ...]:
    """Evidence references to frames, unknown ones left out."""
    return tuple(f"frame {number}" for number in numbers if number is not None)


def caused(
    cause: Cause,
    mechanism: Mechanism,
    clue: Clue,
    summary: str,
    *more: Clue,
    others: tuple[Cause, ...] = (),
    assumption: str | None = None,
    blocker: Blocker | None = None,
) -> Judgement:
    """A cause was found; `others` would need a coincidence. Proven only without others."""
    confidence = Confidence.LIKELY if others else clue.confidence
    return Judgement(
        cause=cause,
        mechanism=mechanism,
        confidence=confidence,
        candidates=(cause, *others),
        clues=(clue, *more),
        summary=summary,
        assumption=assumption,
        blocker=blocker,
    )


def undecided(
    candidates: tuple[Cause, ...],
    mechanism: Mechanism,
    clue: Clue,
    summary: str,
    settles: str,
    *more: Clue,
    capture_ended: bool = False,
) -> Judgement:
    """Several causes explain the same bytes; `settles` names the one thing that would decide."""
    return Judgement(
        cause=Cause.INCONCLUSIVE,
        mechanism=mechanism,
        confidence=Confidence.POSSIBLE,
        candidates=candidates,
        clues=(clue, *more),
        summary=summary,
        settles=settles,
        capture_ended=capture_ended,
    )


def healthy(clue: Clue, summary: str, *more: Clue) -> Judgement:
    """The handshake completed and nothing broke the session."""
    return Judgement(
        cause=Cause.HEALTHY,
        mechanism=None,
        confidence=clue.confidence,
        candidates=(Cause.HEALTHY,),
        clues=(clue, *more),
        summary=summary,
    )
