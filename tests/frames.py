"""Builds frames, segments and capture files for tests, and asks tshark what it sees in a file.

Frames are built by scapy, an implementation that is not ours; files are packed by hand, so that
they can also be wrong on purpose.
"""

from __future__ import annotations

import logging
import shutil
import struct
import subprocess
import warnings
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from handshake_probe.packets.units import Endpoint, Frame, Segment, TcpFlags

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    logging.getLogger("scapy.runtime").setLevel(logging.CRITICAL)
    from scapy.layers import dhcp as dhcp
    from scapy.layers import inet as inet
    from scapy.layers import inet6 as inet6
    from scapy.layers import l2 as l2
    from scapy.layers import ntp as ntp

CAPTURES = sorted((Path(__file__).parent.parent / "captures").glob("*.pcap*"))
DEVICE = Endpoint(bytes([192, 168, 1, 20]), 41224)
CLOUD = Endpoint(bytes([203, 0, 113, 9]), 5683)
DEVICE_MAC = "02:00:00:00:00:01"
CLOUD_MAC = "02:00:00:00:00:02"
SYN, ACK, FIN, RST, PSH = (
    int(flag) for flag in (TcpFlags.SYN, TcpFlags.ACK, TcpFlags.FIN, TcpFlags.RST, TcpFlags.PSH)
)


def frame(data: bytes, link_type: int = 1, length: int | None = None) -> Frame:
    """Wrap bytes as the first frame of a capture."""
    return Frame(1, 1_000_000_000, link_type, 0, data, len(data) if length is None else length)


def ethernet(**fields: Any) -> Any:
    """An Ethernet header from the device to the cloud."""
    return l2.Ether(**{"src": DEVICE_MAC, "dst": CLOUD_MAC, **fields})


def ipv4(**fields: Any) -> Any:
    """An IPv4 header from the device to the cloud."""
    return inet.IP(**{"src": "192.168.1.20", "dst": "203.0.113.9", "id": 77, "ttl": 63, **fields})


def ipv6(**fields: Any) -> Any:
    """An IPv6 header from the device to the cloud."""
    return inet6.IPv6(**{"src": "fd00::20", "dst": "2001:db8::9", "hlim": 61, **fields})


def tcp(**fields: Any) -> Any:
    """A TCP header from the device to the cloud."""
    return inet.TCP(**{"sport": 41224, "dport": 5683, "seq": 1000, "ack": 2000, **fields})


def segment(
    from_device: bool,
    sequence: int,
    acknowledgment: int | None,
    payload: bytes = b"",
    **fields: Any,
) -> Segment:
    """A segment; ACK is set when there is an acknowledgment number, other flags are added."""
    source, destination = (DEVICE, CLOUD) if from_device else (CLOUD, DEVICE)
    flags = fields.pop("flags", 0) | (0 if acknowledgment is None else ACK)
    length = fields.pop("length", len(payload))
    values: dict[str, Any] = {
        "frame": 1,
        "time_ns": 0,
        "interface": 0,
        "source": source,
        "destination": destination,
        "window": 1000,
        "options": b"",
        "ttl": 64 if from_device else 50,
        "ip_id": None,
        "link_source": None,
        "link_destination": None,
        **fields,
    }
    return Segment(
        sequence=sequence % 2**32,
        acknowledgment=(acknowledgment or 0) % 2**32,
        flags=flags,
        payload=payload,
        payload_length=length,
        **values,
    )


def pcap(records: list[bytes], order: str = "<", *, nano: bool = False, link: int = 1) -> bytes:
    """A pcap file; record number n (from 0) has the time n seconds and 5 fraction units."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 96, link)]
    for index, data in enumerate(records):
        parts.append(struct.pack(order + "IIII", index, 5, len(data), len(data) + 10) + data)
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    body += b"\0" * (-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """A pcapng option."""
    return struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def section(order: str = "<") -> bytes:
    """A pcapng section header."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = 1, snap: int = 0, options: bytes = b"", order: str = "<") -> bytes:
    """A pcapng interface description."""
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options, order)


def enhanced(data: bytes, units: int, index: int = 0, order: str = "<") -> bytes:
    """A pcapng enhanced packet block."""
    fields = (index, units >> 32, units & 0xFFFF_FFFF, len(data), len(data))
    return block(6, struct.pack(order + "IIIII", *fields) + data, order)


class TsharkRow(NamedTuple):
    """What tshark says about one frame.

    Outside TCP the last four are None or empty; a frame that holds no packet has encapsulation
    and time 0.
    """

    number: int
    time_ns: int
    captured: int
    length: int
    encapsulation: int
    stream: int | None
    source_port: int | None
    sequence: int | None
    payload: bytes


@cache
def tshark_rows(path: Path) -> list[TsharkRow]:
    """Ask tshark about every frame of a capture."""
    tshark = shutil.which("tshark")
    assert tshark is not None
    fields = (
        "frame.number frame.time_epoch frame.cap_len frame.len frame.encap_type tcp.stream "
        "tcp.srcport tcp.seq tcp.payload icmp.type"
    )
    command = [tshark, "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=f"]
    for name in fields.split():
        command += ["-e", name]
    command += ["-o", "tcp.desegment_tcp_streams:false"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return [_row(line.split("\t")) for line in run.stdout.splitlines()]


def _row(values: list[str]) -> TsharkRow:
    number, time, captured, length, encapsulation, stream, port, sequence, payload, icmp = values
    seconds, _, fraction = time.partition(".")
    return TsharkRow(
        int(number),
        int(seconds or 0) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9]),
        int(captured),
        int(length),
        int(encapsulation or 0),
        int(stream) if stream and not icmp else None,
        int(port) if port and not icmp else None,
        int(sequence) if sequence and not icmp else None,
        bytes.fromhex(payload),
    )
