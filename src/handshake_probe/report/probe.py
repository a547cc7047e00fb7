"""A probe as text: verdict, what was tested beside its controls, the hops, what next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from handshake_probe.model.measurement import Measurement
from handshake_probe.model.observation import Observation
from handshake_probe.model.probed import (
    Connect,
    Delivery,
    DnsProbed,
    Ending,
    HandshakeProbed,
    HopProbed,
    IdleProbed,
    Lookup,
    TcpProbed,
    UdpProbed,
    VantageSeen,
)
from handshake_probe.model.vocabulary import Stage
from handshake_probe.packets.addresses import sinkhole
from handshake_probe.report.page import Page
from handshake_probe.report.safe import visible
from handshake_probe.report.words import counted, spaced

# How far a probe came, for somebody who has no device's LED before them.
PROBE_STAGES: dict[Stage, str] = {
    Stage.NONE: "nothing was sent",
    Stage.DNS: "the cloud's name was asked for",
    Stage.TCP_SYN: "connections to the cloud's port were tried",
    Stage.TCP_ESTABLISHED: "the connection opened, no greeting of a cloud came",
    Stage.NONCE_RECEIVED: "the cloud's greeting arrived: 40 random bytes, the nonce",
    Stage.IDENTITY_SENT: "nonce received, 256 bytes of a made-up device sent",
    Stage.CREDENTIALS_RECEIVED: "the cloud answered the device's identity with credentials",
    Stage.HELLO_SENT: "the stand-in said Hello",
    Stage.SESSION: "a session: both sides said Hello",
}
PURPOSES = {
    "cloud": "cloud",
    "other_port": "control: another port",
    "other_host": "control: another host",
    "unused_address": "control: nobody's address",
    "internet_test": "device's internet test",
}
UDP_TESTS = {
    "coap_ping": "newer devices: CoAP",
    "dtls_client_hello": "newer devices: DTLS",
    "dns": "control: UDP",
    "ntp": "device's internet test",
}
_LOOKUPS = {
    Lookup.EMPTY: "no address",
    Lookup.NXDOMAIN: "says there is no such name",
    Lookup.REFUSED: "refuses",
    Lookup.TIMEOUT: "no answer",
    Lookup.UNREACHABLE: "cannot be reached",
}
_NAMED = 4  # addresses shown of one answer


class Row(NamedTuple):
    """One test: what it was, where, what came of it."""

    test: str
    where: str
    result: str
    good: bool | None  # None: neither
    time: float = 0.0


def show_tests(page: Page, measurement: Measurement) -> None:
    """What was tested, in the order of a handshake."""
    observations: Sequence[Observation] = measurement.observations
    vantage = next((o for o in observations if isinstance(o, VantageSeen)), None)
    if vantage is not None:
        page.field("this machine", _vantage(page, vantage))
    rows = [*_rows(observations)]
    if rows:
        page.blank()
        page.line(("what was tested", "bold"), indent=2)
        test_table(page, rows)
    hops = [o for o in observations if isinstance(o, HopProbed) and o.purpose != "identity"]
    if hops:
        page.blank()
        _hops(page, hops)


def _vantage(page: Page, vantage: VantageSeen) -> str:
    parts = [
        vantage.address or "not connected",
        f"on {vantage.interface}" if vantage.interface else "",
        f"router {vantage.gateway}" if vantage.gateway else "",
        f"Wi-Fi “{visible(vantage.wifi)}”" if vantage.wifi else "",
        f"DNS {', '.join(vantage.resolvers)}" if vantage.resolvers else "no DNS server",
    ]
    return f" {page.glyphs.dot} ".join(part for part in parts if part)


def _rows(observations: Sequence[Observation]) -> Iterable[Row]:
    yield from _agreeing(dns_rows([o for o in observations if isinstance(o, DnsProbed)]))
    tcp = [o for o in observations if isinstance(o, TcpProbed)]
    order = {purpose: place for place, purpose in enumerate(PURPOSES)}
    for attempt in sorted(tcp, key=lambda a: (order.get(a.purpose, len(order)), a.target, a.time)):
        what = PURPOSES.get(attempt.purpose, attempt.purpose)  # a later version may know more
        yield Row(what, attempt.target, *tcp_result(attempt))
    for item in observations:
        if isinstance(item, UdpProbed):
            what = UDP_TESTS.get(item.test, item.test)
            yield Row(what, f"UDP {item.target}", *udp_result(item))
        elif isinstance(item, HandshakeProbed):
            stage = spaced(item.stage)
            good = item.stage is Stage.SESSION
            yield Row("stand-in handshake", item.target, f"reached {stage}", good)
        elif isinstance(item, IdleProbed):
            kept = {True: "still works", False: "is dead", None: "could not be told"}[item.kept]
            silence = f"silent for {item.silence:.0f} s: {kept}"
            yield Row("idle time", item.target, silence, item.kept)


def dns_rows(asked: Sequence[DnsProbed]) -> Iterable[Row]:
    """One row per name and resolver: the A answers of both transports, if they are alike."""
    groups: dict[tuple[str, str | None, str], list[DnsProbed]] = {}
    for question in asked:
        if question.type == "A":
            groups.setdefault((question.name, question.resolver, question.purpose), []).append(
                question
            )
    for (name, resolver, purpose), alike in groups.items():
        results = {_dns_result(q): "/".join(_transports(alike, _dns_result(q))) for q in alike}
        told = "; ".join(
            result if len(results) == 1 else f"{transports}: {result}"
            for result, transports in results.items()
        )
        answered = [any(not sinkhole(a) for a in q.addresses) for q in alike]
        good: bool | None = all(answered) if purpose == "cloud" else None
        who = resolver or "the system"
        if alike[0].role == "public":
            who += " (public)"
        yield Row(f"DNS: {_kind(purpose, name)}", who, told, good, alike[0].time)


def _agreeing(rows: Iterable[Row]) -> Iterable[Row]:
    """One row for a name that all who were asked answer alike."""
    by_test: dict[str, list[Row]] = {}
    for row in rows:
        by_test.setdefault(row.test, []).append(row)
    for alike in by_test.values():
        if len(alike) > 1 and len({(row.result, row.good) for row in alike}) == 1:
            yield alike[0]._replace(where=f"all {len(alike)} who were asked")
        else:
            yield from alike


def _transports(alike: Sequence[DnsProbed], result: str) -> list[str]:
    return list(dict.fromkeys(q.transport.upper() for q in alike if _dns_result(q) == result))


def _kind(purpose: str, name: str) -> str:
    return "a made-up name" if purpose == "random" else name


def _dns_result(question: DnsProbed) -> str:
    if question.addresses:
        more = len(question.addresses) - _NAMED
        return ", ".join(question.addresses[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    return _LOOKUPS.get(question.outcome, spaced(question.outcome))


def tcp_result(attempt: TcpProbed) -> tuple[str, bool | None]:
    """What became of an attempt, and whether that is good."""
    control = attempt.purpose != "cloud"
    took = f"{1000 * attempt.seconds:.0f} ms"
    if attempt.outcome is Connect.REJECTED and attempt.icmp is not None:
        icmp = attempt.icmp
        return f"refused by {icmp.source}: ICMP type {icmp.type} code {icmp.code}", False
    if attempt.outcome is Connect.REFUSED:
        return f"a reset after {took}", None if control else False
    if attempt.outcome is Connect.TIMEOUT:
        return f"no answer within {attempt.seconds:.0f} s", None if control else False
    if attempt.outcome is Connect.NOT_SENT:
        return "this machine could not send", None
    if control:
        return f"accepts after {took}", None
    return _carried(attempt)


def _carried(attempt: TcpProbed) -> tuple[str, bool]:
    parts = ["connected"]
    good = attempt.first is not None and attempt.first.is_nonce
    if attempt.first is None:
        parts.append("no nonce")
    elif good:
        parts.append("nonce")
    else:
        what = attempt.first.looks_like or "no nonce"
        parts.append(f"{counted(attempt.first.received, 'byte')} ({what})")
    if attempt.sent is not None:
        told = {
            Delivery.ACKNOWLEDGED: "arrived",
            Delivery.UNACKNOWLEDGED: "never acknowledged",
            Delivery.UNKNOWN: "sent",
            None: "sent",
        }[attempt.delivery]
        parts.append(f"{attempt.sent} {told}")
        good = good and attempt.delivery is not Delivery.UNACKNOWLEDGED
    if attempt.ended_by is Ending.CLOSED:
        parts.append("closed by the other side")
    elif attempt.ended_by is Ending.RESET:
        parts.append("reset")
        good = False
    elif attempt.ended_by is Ending.ICMP and attempt.icmp is not None:
        parts.append(f"refused by {attempt.icmp.source}")
        good = False
    return ", ".join(parts), good


def udp_result(test: UdpProbed) -> tuple[str, bool | None]:
    """What became of an exchange, and whether that is good."""
    if test.outcome == "answered":
        return f"answers ({spaced(test.answer)})" if test.answer else "answers", True
    if test.outcome == "rejected" and test.icmp is not None:
        return f"refused by {test.icmp.source}", None if _itself(test) else False
    return ("no answer: unconfirmed" if test.outcome == "silent" else spaced(test.outcome)), None


def _itself(test: UdpProbed) -> bool:
    """Whether the host that was asked refuses by itself: then the way there is open."""
    return test.icmp is not None and test.icmp.source == test.target.rpartition(":")[0].strip("[]")


def test_table(page: Page, rows: Sequence[Row]) -> None:
    """Test, where, result, and whether that is good; one below the other when narrow."""
    marks = {True: page.glyphs.good, False: page.glyphs.bad, None: page.glyphs.dot}
    styles = {True: "green", False: "red", None: "dim"}
    if page.narrow:
        for row in rows:
            page.line((marks[row.good], styles[row.good]), f" {row.test}, {row.where}", indent=4)
            page.line(row.result, indent=6)
        return
    first = min(max(len(row.test) for row in rows), 30)
    second = min(max(len(row.where) for row in rows), 26)
    for row in rows:
        mark = page.text(
            "    ",
            (marks[row.good].ljust(2), styles[row.good]),
            f"{row.test[:first]:<{first + 2}}",
            (f"{row.where[:second]:<{second + 2}}", "dim"),
        )
        page.beside(mark, row.result)


def _hops(page: Page, hops: Sequence[HopProbed]) -> None:
    """The way, hop by hop: who answers on the cloud's port, who on the control's."""
    page.line(("the way, hop by hop", "bold"), indent=2)
    target = next((h.target for h in hops if h.purpose == "cloud"), hops[0].target)
    control = next((h.target for h in hops if h.purpose != "cloud"), "")
    port, other = (f"port {t.rpartition(':')[2]}" for t in (target, control))
    width = 30
    page.exact(page.text(("    hop  " + port.ljust(width) + other).rstrip(), limit=200))
    for ttl in sorted({h.ttl for h in hops}):
        cells = [
            hop_answer([h for h in hops if h.ttl == ttl and (h.purpose == "cloud") is cloud])
            for cloud in (True, False)
        ]
        page.exact(page.text(f"    {ttl:>3}  {cells[0]:<{width}}{cells[1]}".rstrip(), limit=200))


def hop_answer(tries: Sequence[HopProbed]) -> str:
    """What answered at one distance."""
    if not tries:
        return ""
    for hop in tries:
        if hop.expired_at is not None:
            return hop.expired_at
    for hop in tries:
        if hop.outcome is Connect.REJECTED and hop.icmp is not None:
            return f"refused by {hop.icmp.source}"
        if hop.outcome is Connect.CONNECTED:
            return "accepted"
        if hop.outcome is Connect.REFUSED:
            return "reset"
    return "no answer"
