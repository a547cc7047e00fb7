"""Link layers beside Ethernet: PPP, PPPoE, 802.2, Wi-Fi in clear with and without radiotap."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames import ethernet, frame, ipv4, ipv6, tcp
from handshake_probe.packets.decode import decode
from handshake_probe.packets.units import Segment, Skipped

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.layers import dot11, ppp
    from scapy.layers.l2 import LLC, SNAP

STATION, AP, PEER = "02:00:00:00:00:01", "02:00:00:00:00:aa", "02:00:00:00:00:02"
MACS = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
PACKET = ipv4() / tcp() / b"x"


def segment_of(packet: Any, link_type: int) -> Segment:
    decoded = decode(frame(bytes(packet), link_type))
    assert isinstance(decoded, Segment), decoded
    assert decoded.payload == b"x"
    return decoded


def reason_of(packet: Any, link_type: int) -> str:
    decoded = decode(frame(bytes(packet), link_type))
    assert isinstance(decoded, Skipped)
    return decoded.reason


@pytest.mark.parametrize("link_type", [9, 50])
def test_ppp(link_type: int) -> None:
    segment_of(ppp.HDLC() / ppp.PPP() / PACKET, link_type)
    segment_of(b"\0\x21" + bytes(PACKET), link_type)
    segment_of(b"\x21" + bytes(PACKET), link_type)  # compressed protocol field
    segment_of(b"\0\x57" + bytes(ipv6() / tcp() / b"x"), link_type)
    assert reason_of(b"\xff\x03\xc0\x21" + bytes(20), link_type) == "ethertype"
    assert reason_of(b"\xff\x03\0", link_type) == "truncated"


def test_pppoe() -> None:
    decoded = segment_of(ethernet() / ppp.PPPoE(sessionid=1) / ppp.PPP() / PACKET, 1)
    assert decoded.link_source == MACS[0]
    assert reason_of(ethernet(type=0x8864) / bytes(7), 1) == "truncated"
    assert reason_of(ethernet(type=0x8864) / (b"\x11\xa7" + bytes(20)), 1) == "ethertype"


def test_snap() -> None:
    body = LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP() / PACKET
    decoded = segment_of(ethernet(type=len(body)) / body, 1)
    assert (decoded.link_source, decoded.link_destination) == MACS
    assert reason_of(ethernet(type=38) / b"\x42\x42\x03 spanning tree", 1) == "ethertype"


def wifi(flags: str = "to-DS", subtype: int = 0) -> Any:
    addresses = {
        "to-DS": (AP, STATION, PEER),
        "from-DS": (PEER, AP, STATION),
        "": (PEER, STATION, AP),
        "to-DS+from-DS": (AP, AP, PEER),
    }
    first, second, third = next(value for key, value in addresses.items() if key == flags)
    head = dot11.Dot11(
        type=2,
        subtype=subtype,
        FCfield=("to-DS" in flags) | ("from-DS" in flags) << 1,
        addr1=first,
        addr2=second,
        addr3=third,
        addr4=STATION if "to-DS+from-DS" in flags else None,
    )
    if subtype & 8:
        head = head / dot11.Dot11QoS()
    return head / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP() / PACKET


@pytest.mark.parametrize("flags", ["to-DS", "from-DS", "", "to-DS+from-DS"])
@pytest.mark.parametrize("subtype", [0, 8])
def test_wifi(flags: str, subtype: int) -> None:
    decoded = segment_of(wifi(flags, subtype), 105)
    assert (decoded.link_source, decoded.link_destination) == MACS
    segment_of(bytes(wifi(flags, subtype)) + b"\1\2\3\4", 105)  # frame check sequence
    segment_of(dot11.RadioTap() / wifi(flags, subtype), 127)
    present = dot11.RadioTap(present="TSFT+Flags+Rate", mac_timestamp=5, Flags=0, Rate=2)
    segment_of(present / wifi(flags, subtype), 127)


def test_wifi_header_padded_to_words() -> None:
    data = bytes(wifi("to-DS", 8))
    tap = dot11.RadioTap(present="TSFT+Flags", mac_timestamp=5, Flags="pad")
    segment_of(bytes(tap) + data[:26] + b"\0\0" + data[26:], 127)
    tap = dot11.RadioTap(present="Flags", Flags="pad")
    segment_of(bytes(tap) + data[:26] + b"\0\0" + data[26:], 127)
    assert reason_of(bytes(tap) + data, 127) == "ethertype"


def test_wifi_with_ht_control() -> None:
    data = bytes(wifi("to-DS", 8))
    segment_of(data[:1] + bytes([data[1] | 0x80]) + data[2:26] + bytes(4) + data[26:], 105)


def test_wifi_that_cannot_be_read() -> None:
    data = bytes(wifi())
    aggregated = bytearray(bytes(wifi("to-DS", 8)))
    aggregated[24] |= 0x80
    assert reason_of(data[:1] + bytes([data[1] | 0x40]) + data[2:], 105) == "encrypted"
    assert reason_of(bytes(aggregated), 105) == "aggregated"
    assert reason_of(data[:1] + bytes([data[1] | 0x04]) + data[2:], 105) == "fragment"
    assert reason_of(data[:22] + b"\x01" + data[23:], 105) == "fragment"
    assert reason_of(dot11.Dot11(type=0, subtype=8) / dot11.Dot11Beacon(), 105) == "management"
    assert reason_of(dot11.Dot11(type=2, subtype=4), 105) == "management"  # no data
    assert reason_of(b"\x0b" + data[1:], 105) == "malformed"
    assert reason_of(data[:29], 105) == "truncated"
    assert reason_of(b"\0\0\x07\0" + bytes(40), 127) == "malformed"
    assert reason_of(b"\0\0\xff\0" + bytes(40), 127) == "truncated"
    assert reason_of(b"\0\0\x08\0\0\0\0\x80" + data, 127) == "malformed"


@given(st.binary(max_size=90), st.sampled_from([9, 50, 105, 127]))
def test_random_bytes_never_raise(data: bytes, link_type: int) -> None:
    decode(frame(data, link_type))


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=4), st.integers(0, 99))
def test_damaged_wifi_never_raises(damages: list[tuple[int, int]], length: int) -> None:
    data = bytearray(bytes(dot11.RadioTap(present="TSFT+Flags", Flags=0) / wifi("to-DS", 8)))
    for at, value in damages:
        data[at] = value
    decode(frame(bytes(data[:length]), 127))
