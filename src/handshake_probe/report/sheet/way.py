"""The way to the cloud, hop by hop, and where it ends."""

from __future__ import annotations

from handshake_probe.model.measurement import Blocker, Measurement, Verdict
from handshake_probe.model.probed import HopProbed
from handshake_probe.model.vocabulary import Cause, Stage
from handshake_probe.report.probe import hop_answer
from handshake_probe.report.sheet.content import Hop, Mark, Path

_MOST = 14  # hops shown
_NOT_MEASURED = (
    "Where on the way it stops was not measured. A probe (handshake-probe probe) from a "
    "computer in the same network shows it."
)


def way_of(measurement: Measurement, verdict: Verdict) -> Path | None:
    """The hops that a probe walked, or what a capture tells of the one that stops it."""
    hops = [o for o in measurement.observations if isinstance(o, HopProbed)]
    told = _told(verdict)
    if hops:
        return _walked(hops, verdict.blocker if verdict.blocker else Blocker(), told)
    if verdict.cause is not Cause.NETWORK_BLOCKED:
        return None
    return _seen(verdict.blocker, told)


def _walked(hops: list[HopProbed], blocker: Blocker, told: str) -> Path:
    target = next((h.target for h in hops if h.purpose == "cloud"), hops[0].target)
    control = next((h.target for h in hops if h.purpose != "cloud"), "")
    rows = []
    for ttl in sorted({h.ttl for h in hops})[:_MOST]:
        answer, beside = (
            hop_answer([h for h in hops if h.ttl == ttl and (h.purpose == "cloud") is cloud])
            for cloud in (True, False)
        )
        stop = ttl == blocker.hop
        rows.append(
            Hop(
                name=f"hop {ttl}",
                answer=answer,
                control=beside,
                # Where the control goes on, an answer in the cloud's name is the stop itself.
                mark=Mark.BAD if stop and answer == "accepted" else _mark(answer),
                control_mark=_mark(beside),
                stop=stop,
            )
        )
    port, other = (_port(t) for t in (target, control))
    return Path(port=port, control=other, hops=tuple(rows), told=told)


def _seen(blocker: Blocker | None, told: str) -> Path:
    """A capture shows no way, at most who stops it."""
    if blocker is None or blocker.hop is None:
        return Path(port="", control="", hops=(), told=told)
    between = [
        Hop(f"hop {n}", "on the way", "", Mark.NEUTRAL, Mark.NEUTRAL, stop=False)
        for n in range(1, min(blocker.hop, _MOST))
    ]
    stop = Hop(
        name=f"hop {blocker.hop}",
        answer=blocker.address or "stops here",
        control="",
        mark=Mark.BAD,
        control_mark=Mark.NEUTRAL,
        stop=True,
    )
    cloud = Hop("cloud", "not reached", "", Mark.NEUTRAL, Mark.NEUTRAL, stop=False)
    return Path(port="the device's packets", control="", hops=(*between, stop, cloud), told=told)


def _told(verdict: Verdict) -> str:
    if verdict.cause is not Cause.NETWORK_BLOCKED:
        return ""
    blocker = verdict.blocker
    if blocker is None and verdict.stage in (Stage.NONE, Stage.DNS):
        return ""
    if blocker is None:
        return _NOT_MEASURED
    hop = None if blocker.hop is None else f"hop {blocker.hop}"
    who = ", ".join(part for part in (blocker.address, blocker.who or hop) if part)
    return f"Stopped by: {who}." if who else _NOT_MEASURED


def _mark(answer: str) -> Mark:
    if not answer:
        return Mark.NEUTRAL
    bad = answer == "no answer" or answer.startswith(("refused", "reset"))
    return Mark.BAD if bad else Mark.GOOD


def _port(target: str) -> str:
    port = target.rpartition(":")[2]
    return f"port {port}" if port else ""
