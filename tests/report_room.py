"""Measurements that reports are tested with: probes, many devices, and hostile strings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from handshake_probe import pipeline
from handshake_probe.keys.keyring import Keyring
from handshake_probe.model.measurement import Measurement
from handshake_probe.model.observations import ConnectionSeen, DnsSeen, HostSeen
from handshake_probe.model.probed import Connect, FirstBytes, Lookup
from handshake_probe.pipeline.rejudging import judge_again
from probed import (
    CLOUD,
    control,
    foreign,
    hop,
    identity,
    idle,
    lookup,
    measured,
    nonce,
    public,
    rejected,
    tcp,
    udp,
    unused,
    vantage,
    walk,
)

CAPTURES = Path(__file__).resolve().parent.parent / "captures"
DROPPED = tcp(Connect.TIMEOUT, seconds=8.0)

HOSTILE = (
    '"><script>alert(1)</script>',
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script><!--",
    "'; reboot; $(touch x) `id` | sh #",
    "\x1b]0;owned\x07\x1b[2J\x00\r\n\u202etxt.exe\u2066",
    "javascript:alert(1)//http://evil.test/?q=1",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "| a | b |\n\n# head\n* item\n![x](http://evil.test/x.png) [l](http://evil.test) `c` @all #1",
    "=cmd|' /C calc'!A0",
    "x" * 5000,
    "𐀀" * 300 + "W" * 200,
)


def probes() -> dict[str, Measurement]:
    """A probe of each kind."""
    return {
        "dropped": measured(
            vantage(wifi="Office", device="192.168.1.23", device_network=True),
            lookup(),
            public(),
            DROPPED,
            DROPPED,
            control(),
            walk(["192.168.1.1", "100.64.0.1", Connect.TIMEOUT], ["192.168.1.1", "100.64.0.1"]),
            hop(3, Connect.CONNECTED, of_control=True),
        ),
        "rejected": measured(
            vantage(), lookup(), rejected("192.168.1.1", 13), control(), hop(1, "192.168.1.1")
        ),
        "portal": measured(
            vantage(), lookup(), foreign("http"), foreign("http"), unused(Connect.CONNECTED)
        ),
        "sinkhole": measured(vantage(), lookup(Lookup.ANSWERED, "0.0.0.0"), public()),
        "nxdomain": measured(vantage(), lookup(Lookup.NXDOMAIN), public()),
        "idle": measured(
            vantage(), lookup(), identity("a"), identity("b"), idle(60, True), idle(300, False)
        ),
        "newer": measured(
            vantage(), lookup(), nonce("a"), nonce("b"), udp("dtls_client_hello", "silent")
        ),
        "healthy": measured(vantage(), lookup(), identity("a"), identity("b"), control()),
        "vpn": measured(vantage(through_tunnel=True, tunnels=["tun0"]), lookup(), DROPPED),
        "nothing": measured(vantage(address=None, gateway=None, resolvers=[])),
    }


def office_and_hotspot() -> tuple[Measurement, Measurement, Measurement]:
    """A device's capture, a probe beside it, and one from a hotspot."""
    return recorded("blocked-syn-dropped"), probes()["dropped"], probes()["healthy"]


def recorded(name: str) -> Measurement:
    """One of the recordings, analysed without keys."""
    return pipeline.analyze(str(CAPTURES / f"{name}.pcap"), keyring=Keyring())


def many_devices(number: int) -> Measurement:
    """A capture of many devices, of several kinds."""
    names = ("blocked-syn-dropped", "healthy-brewskey-device-os-3.3.1", "blocked-silent-middlebox")
    kinds = [recorded(name) for name in names]
    observations = [o for o in kinds[0].observations if o.id == "o1"]
    for index in range(number):
        kind = kinds[index % len(kinds)]
        for item in kind.observations:
            if isinstance(item, ConnectionSeen):
                stream = len(observations)
                moved = msgspec.structs.replace(
                    item, id=f"o{stream}x", stream=stream, device=f"10.0.{index}.9:{4000 + stream}"
                )
                observations.append(moved)
    plain = msgspec.structs.replace(kinds[0], observations=observations, devices=[])
    return judge_again(plain)


def hostile_measurements() -> Iterator[Measurement]:
    """Each hostile string in every field that can carry one."""
    for evil in HOSTILE:
        yield _hostile_capture(evil)
        yield _hostile_probe(evil)


def _hostile_capture(evil: str) -> Measurement:
    plain = recorded("blocked-captive-portal-http-redirect")
    device = plain.devices[0].address
    observations = []
    for item in plain.observations:
        if isinstance(item, ConnectionSeen) and item.nonce:
            seen = msgspec.structs.replace(item.nonce, excerpt=evil, looks_like=evil)
            item = msgspec.structs.replace(item, nonce=seen)
        elif isinstance(item, HostSeen):
            item = msgspec.structs.replace(item, name=evil)
        observations.append(item)
    question = DnsSeen(
        id="o99",
        frame=1,
        time=1_795_344_762.0,
        host=device,
        server=evil,
        name=evil,
        type="A",
        rcode=evil,
        addresses=[evil],
        aliases=[evil],
    )
    connections = [
        msgspec.structs.replace(
            connection,
            events=[
                msgspec.structs.replace(event, event=evil, note=evil, message=evil)
                for event in connection.events
            ],
        )
        for connection in plain.devices[0].connections
    ]
    devices = [
        msgspec.structs.replace(
            plain.devices[0], name=evil, mac=evil, vendor=evil, connections=connections
        )
    ]
    source = msgspec.structs.replace(plain.source, path=evil, format=evil, first=evil)
    return judge_again(
        msgspec.structs.replace(
            plain, source=source, devices=devices, observations=[*observations, question]
        )
    )


def _hostile_probe(evil: str) -> Measurement:
    first = FirstBytes(
        seconds=0.1, received=70, flaws=["known_prefix"], looks_like=evil, excerpt=evil
    )
    made = measured(
        vantage(wifi=evil, interface=evil),
        lookup(name=evil),
        lookup(Lookup.NXDOMAIN, name=evil, aliases=[evil]),
        tcp(first=first, target=f"{CLOUD}:5683"),
        tcp(Connect.TIMEOUT, local=evil, failure=evil),
        control(),
        udp("dns", "answered", answer=evil),
        udp(evil, evil),
        tcp(purpose=evil),
    )
    # What no probe would write, a document may hold all the same.
    seen, asked, *rest = made.observations
    seen = msgspec.structs.replace(
        seen, device=evil, gateway=evil, network=evil, address=evil, resolvers=[evil]
    )
    asked = msgspec.structs.replace(asked, resolver=evil, addresses=[evil], second_answer=[evil])
    return msgspec.structs.replace(
        made,
        observations=[seen, asked, *rest],
        source=msgspec.structs.replace(made.source, path=f"{evil}:5683"),
    )
