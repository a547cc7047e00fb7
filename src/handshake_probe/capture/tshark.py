"""TCP segments as tshark sees them: a second opinion on our reader and decoder. Slow.

The one door to pyshark, which runs tshark and reads its output. Everything from the link layer to
TCP is tshark's reading, reassembled IP fragments included; what the payload means is not asked.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handshake_probe.errors import HandshakeProbeError
from handshake_probe.packets.units import Endpoint, Packet, Segment

if TYPE_CHECKING:
    import pyshark.packet.packet

# TCP that is not inside an ICMP error. Without the field the filter would name quoted packets too.
_FILTER = "tcp && !icmp && !icmpv6"
_PREFERENCES = {
    "tcp.desegment_tcp_streams": "FALSE",
    "tcp.relative_sequence_numbers": "FALSE",
    "tcp.analyze_sequence_numbers": "FALSE",
    "tcp.calculate_timestamps": "FALSE",
    "ip.check_checksum": "FALSE",
    "tcp.check_checksum": "FALSE",
}


class TsharkFailed(HandshakeProbeError):
    """Tshark or pyshark is missing, or tshark gave up; the message is one line."""


def tshark_segments(path: str | Path, ports: frozenset[int]) -> Iterator[Segment]:
    """Yield the TCP segments of a capture file in file order.

    Args:
        path: any file that tshark reads.
        ports: ports whose payload tshark is not to interpret.

    Raises:
        TsharkFailed: see there; also after the last segment of a damaged file.
    """
    try:
        import pyshark
        from pyshark.capture.capture import TSharkCrashException
        from pyshark.tshark.tshark import TSharkNotFoundException
    except ImportError:
        raise TsharkFailed("--engine tshark needs the Python package pyshark") from None
    loop = asyncio.new_event_loop()
    watcher = _watch_children(loop)
    try:
        capture = pyshark.FileCapture(
            str(path),
            display_filter=_FILTER,
            keep_packets=False,
            eventloop=loop,
            decode_as={f"tcp.port=={port}": "data" for port in sorted(ports)},
            override_prefs=_PREFERENCES,
            custom_parameters=["-n"],
        )
        try:
            for packet in capture:
                segment = _segment(packet)
                if segment is not None:
                    yield segment
        finally:
            try:
                capture.close()
            finally:
                capture._running_processes.clear()  # or its destructor uses the closed loop
    except TSharkNotFoundException:
        raise TsharkFailed("--engine tshark needs tshark, which is not installed") from None
    except TSharkCrashException as error:
        lines = str(error).splitlines() or ["no reason given"]
        raise TsharkFailed(f"tshark gave up: {lines[-1]}") from None
    finally:
        if watcher is not None:
            watcher.close()
            asyncio.set_child_watcher(None)  # type: ignore[arg-type]  # a fresh one for the next
        loop.close()


def second_opinion(packets: Iterable[Packet], segments: Iterator[Segment]) -> Iterator[Packet]:
    """Replace the TCP segments among `packets` by tshark's, frame by frame."""
    theirs = next(segments, None)
    for packet in packets:
        if theirs is not None and theirs.frame == packet.frame:
            yield theirs
            theirs = next(segments, None)
        elif not isinstance(packet, Segment):
            yield packet


def _watch_children(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractChildWatcher | None:
    # Before Python 3.12 the default watcher races with asyncio's own look at a process that has
    # ended, and then reports a crash of tshark that never was.
    if sys.version_info >= (3, 12):
        return None
    watcher = asyncio.SafeChildWatcher()
    watcher.attach_loop(loop)
    asyncio.set_child_watcher(watcher)
    return watcher


def _segment(packet: pyshark.packet.packet.Packet) -> Segment | None:
    """Take the fields over; None for a packet inside a tunnel, whose path is another one."""
    names = [layer.layer_name for layer in packet.layers]
    networks = [layer for layer in packet.layers if layer.layer_name in ("ip", "ipv6")]
    if len(networks) != 1 or names.count("tcp") != 1 or "gre" in names or "vxlan" in names:
        return None
    ip, tcp, frame = networks[0], packet.tcp, packet.frame_info
    version4 = ip.layer_name == "ip"
    return Segment(
        int(frame.number),
        _nanoseconds(frame.time_epoch),
        int(frame.get("interface_id") or 0),
        Endpoint(ip_address(str(ip.src)).packed, int(tcp.srcport)),
        Endpoint(ip_address(str(ip.dst)).packed, int(tcp.dstport)),
        int(tcp.seq_raw),
        int(tcp.get("ack_raw") or 0),
        int(str(tcp.flags), 16) & 0x3F,
        int(tcp.window_size_value),
        _bytes(tcp.get("options")),
        _bytes(tcp.get("payload")),
        int(tcp.len),
        int(ip.ttl if version4 else ip.hlim),
        int(str(ip.id), 16) if version4 else None,
        _mac(packet, "src"),
        _mac(packet, "dst"),
    )


def _nanoseconds(text: Any) -> int:
    seconds, _, fraction = str(text).partition(".")
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])


def _bytes(field: Any) -> bytes:
    return bytes.fromhex(str(field).replace(":", "")) if field is not None else b""


def _mac(packet: pyshark.packet.packet.Packet, which: str) -> bytes | None:
    for layer in packet.layers:
        value = layer.get({"eth": which, "sll": f"{which}_eth"}.get(layer.layer_name, "-"))
        if value is not None:
            return _bytes(value)
    return None
