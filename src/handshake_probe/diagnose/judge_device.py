"""From the judgements of a device's connections to the verdict on the device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from handshake_probe.diagnose.case import OPENED, KeyFacts
from handshake_probe.diagnose.judgement import Judgement
from handshake_probe.model.observations import ConnectionSeen
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism, Stage

_PLACE = {cause: place for place, cause in enumerate(Cause)}
KEY_CAUSES = (Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_KEY_CORRUPTION, Cause.DEVICE_UNKNOWN)


_Ending = tuple[Stage, EndedBy, str]  # stage, who ended it, cloud


class Judged(NamedTuple):
    """A connection beside its judgement."""

    connection: ConnectionSeen
    judgement: Judgement


class DeviceVerdict(NamedTuple):
    """The judgement that stands for a device, its stage, and what the rest of the capture adds."""

    judgement: Judgement
    stage: Stage
    recovered: bool
    decisive: ConnectionSeen | None  # the connection the judgement is about


def share_proof(judged: Sequence[Judged]) -> list[Judged]:
    """What one connection proves about a device's keys holds for its others that ended alike.

    A device holds one set of keys, so an undecided connection at the same stage, with the same
    ending and the proven cause among its candidates, has that cause too (likely, not proven).
    """
    decided: dict[_Ending, dict[Cause, Judged]] = {}
    for item in judged:
        if item.judgement.cause in KEY_CAUSES:
            proofs = decided.setdefault(_ending(item), {})
            proofs.setdefault(item.judgement.cause, item)
    return [_adopt(item, decided) for item in judged] if decided else list(judged)


def _ending(item: Judged) -> _Ending:
    return item.connection.stage, item.connection.ended_by, item.connection.cloud


def _adopt(item: Judged, decided: Mapping[_Ending, Mapping[Cause, Judged]]) -> Judged:
    judgement = item.judgement
    if judgement.cause is not Cause.INCONCLUSIVE or judgement.capture_ended:
        return item
    for cause, proof in decided.get(_ending(item), {}).items():
        if cause in judgement.candidates:
            return Judged(
                item.connection,
                replace(
                    judgement,
                    cause=cause,
                    mechanism=proof.judgement.mechanism,
                    confidence=Confidence.LIKELY,
                    candidates=(cause, *(c for c in judgement.candidates if c is not cause)),
                    clues=(*proof.judgement.clues[:1], *judgement.clues),
                    summary=proof.judgement.summary,
                    settles=None,
                ),
            )
    return item


def judge_device(judged: Sequence[Judged]) -> DeviceVerdict:
    """The verdict over all connections of one device, of which there is at least one."""
    failed = [
        j
        for j in judged
        if j.judgement.cause is not Cause.HEALTHY and not j.judgement.capture_ended
    ]
    if not failed:
        return _not_failed(judged)
    last = judged[-1]
    # Cuts that the device recovered from do not explain why nobody owns it.
    chosen = last if last.judgement.cause is Cause.UNCLAIMED else _most_frequent(failed)
    alike = [j for j in failed if j.judgement.cause is chosen.judgement.cause]
    stage = max((j.connection.stage for j in alike), key=lambda stage: stage.order)
    judgement = chosen.judgement
    if judgement.cause is Cause.INCONCLUSIVE:
        judgement = replace(judgement, candidates=_merged_candidates(alike, judgement))
    recovered = any(
        j.connection.stage is Stage.SESSION
        and j.connection.stream > chosen.connection.stream
        and j.judgement.cause in (Cause.HEALTHY, Cause.UNCLAIMED)
        for j in judged
    )
    return DeviceVerdict(judgement, stage, recovered, chosen.connection)


def _not_failed(judged: Sequence[Judged]) -> DeviceVerdict:
    """Every connection healthy, or cut short by the capture's end."""
    well = [j for j in judged if j.judgement.cause is Cause.HEALTHY]
    chosen = well[-1] if well else max(judged, key=lambda j: j.connection.stage.order)
    return DeviceVerdict(chosen.judgement, chosen.connection.stage, False, chosen.connection)


def _most_frequent(failed: Sequence[Judged]) -> Judged:
    """The last connection with the most frequent cause; a decided cause wins a tie, then time."""
    counts = Counter(j.judgement.cause for j in failed)
    last = {j.judgement.cause: index for index, j in enumerate(failed)}
    cause = max(
        counts, key=lambda cause: (counts[cause], cause is not Cause.INCONCLUSIVE, last[cause])
    )
    firmest = [j for j in failed if j.judgement.cause is cause]
    proven = [j for j in firmest if j.judgement.confidence is Confidence.PROVEN]
    return (proven or firmest)[-1]


def _merged_candidates(alike: Sequence[Judged], judgement: Judgement) -> tuple[Cause, ...]:
    merged = list(judgement.candidates)
    for item in reversed(alike):
        merged += [cause for cause in item.judgement.candidates if cause not in merged]
    return tuple(merged)


def ruled_out(verdict: DeviceVerdict, judged: Sequence[Judged], keys: KeyFacts) -> list[Cause]:
    """The causes the evidence excludes, never one that remains a candidate."""
    out: set[Cause] = set()
    cause = verdict.judgement.cause
    furthest = max((j.connection.stage for j in judged), key=lambda stage: stage.order)
    if furthest is Stage.SESSION:
        out |= {Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_KEY_CORRUPTION, Cause.DEVICE_UNKNOWN}
        if cause is Cause.HEALTHY and verdict.judgement.confidence is Confidence.PROVEN:
            out.add(Cause.NETWORK_BLOCKED)
    if furthest.reached(Stage.HELLO_SENT):
        out |= {Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_KEY_CORRUPTION}
    for connection in (j.connection for j in judged if j.connection.key_tests):
        if _reads_identity(connection, keys):
            out.add(Cause.SERVER_KEY_MISMATCH)
        if keys.register and any(
            test.block == "identity" and test.device_id in keys.register
            for test in connection.key_tests
        ):
            out.add(Cause.DEVICE_UNKNOWN)
    if furthest.reached(Stage.CREDENTIALS_RECEIVED):
        out.add(Cause.DEVICE_UNKNOWN)
    if cause in KEY_CAUSES or (
        verdict.judgement.mechanism in (Mechanism.IDENTITY_REFUSED, Mechanism.CREDENTIALS_REFUSED)
    ):
        out.add(Cause.NETWORK_BLOCKED)
    if cause in KEY_CAUSES and verdict.judgement.confidence is Confidence.PROVEN:
        out |= set(KEY_CAUSES)
    out.difference_update(verdict.judgement.candidates)
    return sorted(out, key=_PLACE.__getitem__)


def _reads_identity(connection: ConnectionSeen, keys: KeyFacts) -> bool:
    """Whether the identity opens with the key of the very cloud it was sent to."""
    cloud_key = keys.at(connection.cloud).cloud_key
    return any(
        t.block == "identity" and t.state in OPENED and t.key == cloud_key
        for t in connection.key_tests
    )
