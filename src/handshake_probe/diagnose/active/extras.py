"""What a probe saw beside the cloud's port: controls, other generations, idle time."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_probe.diagnose.active.case import ProbeCase
from handshake_probe.diagnose.judgement import Clue, Judgement, caused
from handshake_probe.model.probed import Connect, IdleProbed, UdpProbed
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism

# The firmware pings every 15 s and waits 10 s for the answer.
LONGEST_SILENCE = 25.0
NEWER = ("coap_ping", "dtls_client_hello")
INTERNET = "internet_test"


def judge_idle(case: ProbeCase) -> Judgement | None:
    """Whether the path forgets a connection before the firmware's next ping."""
    lost = [i for i in case.idle if i.kept is False and i.silence <= LONGEST_SILENCE]
    if not lost:
        return None
    shortest = min(lost, key=lambda item: item.silence)
    alive = any(i.kept for i in case.idle if i.silence < shortest.silence)
    return caused(
        Cause.NETWORK_BLOCKED,
        Mechanism.IDLE_TIMEOUT,
        Clue(
            "HP174",
            f"A connection that was silent for {shortest.silence:.0f} s is dead afterwards"
            + (", one that was silent for less still works." if alive else "."),
            tuple(i.id for i in case.idle),
            Confidence.LIKELY,
        ),
        f"Something on the path forgets a connection after {shortest.silence:.0f} s of silence; "
        "the firmware pings every 15 s.",
        others=() if alive and len(lost) > 1 else (Cause.SERVER_FAULT,),
        assumption=None if alive and len(lost) > 1 else "that the cloud itself did not end it",
    )


def remarks(case: ProbeCase) -> list[Clue]:
    """Everything that is worth saying and decides nothing by itself."""
    return [
        *_attempts(case),
        *_controls(case),
        *_newer_generation(case.udp),
        *_internet_test(case),
        *_idle(case.idle),
        *_recorded(case),
    ]


def _attempts(case: ProbeCase) -> list[Clue]:
    found = []
    for address in case.addresses:
        failed = [a for a in address.attempts if a.outcome is not Connect.CONNECTED]
        again = [a for a in address.connected if a.syn_retransmissions]
        if again and not failed:
            found.append(
                Clue(
                    "HP168",
                    f"{len(again)} of {len(address.attempts)} connections to {address.target} came "
                    "up only after SYNs were sent again.",
                    tuple(a.id for a in again[:4]),
                )
            )
        if failed and address.connected:
            found.append(
                Clue(
                    "HP168",
                    f"{len(failed)} of {len(address.attempts)} attempts to {address.target} "
                    "failed, the others came up.",
                    tuple(a.id for a in failed[:4]),
                )
            )
    return found


def _controls(case: ProbeCase) -> list[Clue]:
    found = []
    for address in case.addresses:
        if address.connected:
            continue
        for control in address.controls:
            if control.outcome in (Connect.CONNECTED, Connect.REFUSED):
                word = (
                    "accepts" if control.outcome is Connect.CONNECTED else "refuses, so it answers"
                )
                found.append(
                    Clue(
                        "HP165", f"Control: {control.target}, the same host, {word}.", (control.id,)
                    )
                )
    failed = any(not address.connected for address in case.addresses)
    if failed and not case.outside_answers:
        evidence = tuple(q.id for q in case.lookups if q.role == "public")
        if evidence:
            found.append(
                Clue("HP178", "Nothing beyond this network answered any test.", evidence[:4])
            )
    return found


def _newer_generation(udp: Sequence[UdpProbed]) -> list[Clue]:
    found = []
    for test in udp:
        if test.test not in NEWER:
            continue
        if test.outcome == "answered":
            text = f"UDP {test.target} answers ({(test.answer or 'something').replace('_', ' ')})."
            found.append(Clue("HP170", text, (test.id,)))
        elif test.outcome == "rejected" and test.icmp is not None:
            message = test.icmp
            text = (
                f"{message.source} refuses UDP {test.target}: "
                f"ICMP type {message.type} code {message.code}."
            )
            found.append(Clue("HP169", text, (test.id,)))
        elif test.outcome == "silent":
            text = f"UDP {test.target} answers nothing; it may, so this is unconfirmed."
            found.append(Clue("HP169", text, (test.id,), Confidence.POSSIBLE))
    return found


def _internet_test(case: ProbeCase) -> list[Clue]:
    """What the firmware tries after a failed connection, by its generation."""
    older = [(a.id, a.outcome is Connect.CONNECTED) for a in case.attempts if a.purpose == INTERNET]
    newer = [(u.id, u.outcome == "answered") for u in case.udp if u.test == "ntp"]
    lost = [(q.id, bool(q.addresses)) for q in case.lookups if q.purpose == INTERNET]
    found = []
    for results, what in (
        (older, "TCP 8.8.8.8:53, Device OS up to 1.5"),
        (newer or lost, "time from pool.ntp.org, Device OS 2.0 and later"),
    ):
        if not results:
            continue
        passes = all(passed for _, passed in results)
        word = "passes" if passes else "fails"
        led = "three times" if passes else "twice"
        found.append(
            Clue(
                "HP171" if passes else "HP150",
                f"The device's own internet test ({what}) {word} here: a device that cannot "
                f"connect blinks orange {led}.",
                tuple(name for name, _ in results),
            )
        )
    return found


def _idle(idle: Sequence[IdleProbed]) -> list[Clue]:
    kept = [i for i in idle if i.kept]
    if not kept:
        return []
    longest = max(kept, key=lambda item: item.silence)
    return [
        Clue(
            "HP173",
            f"The path keeps a connection that is silent for {longest.silence:.0f} s.",
            tuple(i.id for i in idle),
        )
    ]


def _recorded(case: ProbeCase) -> list[Clue]:
    recorded = case.recorded
    if recorded is None or recorded.refused is None:
        return []
    return [
        Clue(
            "HP175",
            f"The probe's own packets were not recorded: {recorded.refused}.",
            (recorded.id,),
        )
    ]
