"""DNS, DHCP and NTP payloads built by other implementations; addresses as text."""

from __future__ import annotations

import warnings
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames import dhcp, ntp
from handshake_probe.packets.addresses import address_text, endpoint_text, is_private, mac_text
from handshake_probe.packets.dhcp import DhcpMessage, read_dhcp
from handshake_probe.packets.dns import DnsAlias, DnsQuestion, read_dns, read_dns_stream
from handshake_probe.packets.ntp import ntp_role
from handshake_probe.packets.units import Endpoint

MAC = bytes.fromhex("0200000000aa")


def answer(*records: str, rcode: int = 0) -> bytes:
    message = dns.message.make_response(dns.message.make_query("Device.Spark.IO", "A", id=7))
    message.set_rcode(dns.rcode.Rcode(rcode))
    for record in records:
        name, kind, value = record.split()
        message.answer.append(dns.rrset.from_text(name, 60, "IN", kind, value))
    return message.to_wire()


def dhcp_payload(options: list[Any], **fields: Any) -> bytes:
    return bytes(dhcp.BOOTP(chaddr=MAC, **fields) / dhcp.DHCP(options=[*options, "end"]))


def test_dns_query() -> None:
    message = read_dns(dns.message.make_query("Device.Spark.IO", "AAAA", id=9).to_wire())
    assert message is not None
    assert message.questions == (DnsQuestion("device.spark.io", "AAAA"),)
    assert (message.id, message.is_response, message.truncated) == (9, False, False)


def test_dns_answer_with_aliases() -> None:
    message = read_dns(
        answer(
            "device.spark.io. CNAME Pool.example.",
            "pool.example. CNAME a.example.",
            "a.example. A 192.0.2.7",
            "a.example. AAAA 2001:db8::7",
        )
    )
    assert message is not None
    assert message.is_response
    assert message.rcode == "NOERROR"
    assert message.addresses == ("192.0.2.7", "2001:db8::7")
    assert message.aliases == (
        DnsAlias("device.spark.io", "pool.example"),
        DnsAlias("pool.example", "a.example"),
    )


def test_dns_refusals() -> None:
    message = read_dns(answer(rcode=3))
    assert message is not None
    assert (message.rcode, message.addresses) == ("NXDOMAIN", ())
    wire = bytearray(answer())
    wire[2] |= 2
    message = read_dns(bytes(wire))
    assert message is not None
    assert message.truncated


def test_cut_dns_answer_tells_what_is_left() -> None:
    message = read_dns(answer("device.spark.io. A 192.0.2.7", "b.example. A 192.0.2.8")[:-3])
    assert message is not None
    assert message.questions == (DnsQuestion("device.spark.io", "A"),)
    assert message.addresses == ("192.0.2.7",)


def test_hostile_names_are_escaped() -> None:
    wire = b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\4\x1b[2J\0" + b"\0\1\0\1"
    message = read_dns(wire)
    assert message is not None
    assert message.questions[0].name == "\\027[2j"


def test_other_operations_are_no_query() -> None:
    wire = bytearray(answer())
    wire[2] |= 0x28  # UPDATE
    assert read_dns(bytes(wire)) is None


def test_dns_over_tcp() -> None:
    one, two = answer(rcode=3), answer("device.spark.io. A 192.0.2.7")
    stream = b"".join(len(item).to_bytes(2, "big") + item for item in (one, b"junk", two))
    messages = read_dns_stream(stream + b"\1\0partial")
    assert [message.rcode for message in messages] == ["NXDOMAIN", "NOERROR"]


def test_dhcp_request() -> None:
    payload = dhcp_payload(
        [
            ("message-type", "request"),
            ("requested_addr", "192.168.1.20"),
            ("hostname", b"Photon\xff\x1b"),
            ("vendor_class_id", b"Particle"),
            ("client_id", b"\1" + MAC),
        ]
    )
    assert read_dhcp(payload) == DhcpMessage(
        "request",
        MAC,
        None,
        bytes([192, 168, 1, 20]),
        "Photon\ufffd\x1b",
        "Particle",
        b"\1" + MAC,
    )


def test_dhcp_acknowledgment() -> None:
    message = read_dhcp(dhcp_payload([("message-type", "ack")], op=2, yiaddr="192.168.1.20"))
    assert message is not None
    assert (message.type, message.your_address) == ("ack", bytes([192, 168, 1, 20]))
    assert message.host_name is None


def test_dhcp_options_come_padded_and_in_pieces() -> None:
    start = dhcp_payload([])[:240]
    message = read_dhcp(start + b"\0\0\x35\1\1\x0c\3Pho\0\x0c\3ton\xff\x0c\1!")
    assert message is not None
    assert (message.type, message.host_name) == ("discover", "Photon")
    message = read_dhcp(start + b"\x35\1\1\x0c\x20cut")
    assert message is not None
    assert message.host_name == "cut"


@pytest.mark.parametrize("payload", [b"", bytes(300), dhcp_payload([("hostname", b"x")])])
def test_no_dhcp(payload: bytes) -> None:
    assert read_dhcp(payload) is None


def test_ntp() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        request, reply, other = (bytes(ntp.NTPHeader(mode=mode)) for mode in (3, 4, 5))
    assert (ntp_role(request), ntp_role(reply), ntp_role(other)) == ("request", "reply", None)
    assert ntp_role(request[:47]) is None
    assert ntp_role(b"\3" + bytes(47)) is None  # version 0


@given(st.binary(max_size=300))
def test_random_payloads_never_raise(payload: bytes) -> None:
    read_dns(payload)
    read_dns_stream(payload)
    ntp_role(payload)
    read_dhcp(payload)


@given(st.binary(max_size=60))
def test_random_bodies_never_raise(body: bytes) -> None:
    read_dns(b"\0\1\x80\0\0\1\0\2\0\1\0\1" + body)
    read_dns(answer("device.spark.io. A 192.0.2.7")[: 12 + len(body)] + body)
    read_dhcp(dhcp_payload([])[:240] + body)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("c0a80102", "192.168.1.2"),
        ("fd000000000000000000000000000002", "fd00::2"),
        ("20010db8000000010000000000000001", "2001:db8:0:1::1"),
        ("00000000000000000000ffffc0a80102", "::ffff:192.168.1.2"),
    ],
)
def test_addresses(address: str, text: str) -> None:
    assert address_text(bytes.fromhex(address)) == text


def test_endpoints_and_macs() -> None:
    assert endpoint_text(Endpoint(b"\xc0\xa8\1\2", 41224)) == "192.168.1.2:41224"
    assert endpoint_text(Endpoint(bytes.fromhex("fd" + "00" * 14 + "02"), 5683)) == "[fd00::2]:5683"
    assert mac_text(MAC) == "02:00:00:00:00:aa"
    with pytest.raises(ValueError, match="does not appear"):
        address_text(b"12345")


def test_private_addresses() -> None:
    assert is_private(bytes([10, 0, 0, 1]))
    assert not is_private(bytes([8, 8, 8, 8]))
