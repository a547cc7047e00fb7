"""Findings about the capture itself and about traffic beside the handshake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from handshake_probe.diagnose.catalogue import CATALOGUE
from handshake_probe.model.measurement import DeviceReport, Finding
from handshake_probe.model.observations import (
    AnyObservation,
    CaptureSeen,
    ConnectionSeen,
    DnsSeen,
    InternetTestSeen,
    UdpCloudSeen,
)
from handshake_probe.model.vocabulary import Confidence

TEST_PATIENCE = 2.0  # seconds; what is unanswered at the capture's end may be answered yet
# Reasons for which frames may hold a handshake all the same.
UNREAD = ("link_type", "malformed", "truncated", "fragment", "encrypted", "aggregated", "tunnel")


def finding(
    code: str,
    text: str,
    evidence: Sequence[str],
    confidence: Confidence = Confidence.PROVEN,
    device: str | None = None,
) -> Finding:
    """A finding beside the verdicts; `device` is an address when it belongs to one."""
    return Finding(
        code=code,
        severity=CATALOGUE[code].severity,
        confidence=confidence,
        evidence=list(evidence),
        text=text,
        device=device,
    )


def capture_findings(
    capture: CaptureSeen,
    observations: Sequence[AnyObservation],
    devices: Sequence[DeviceReport],
) -> Iterator[Finding]:
    """What limits the evidence, and what else was seen."""
    connections = [o for o in observations if isinstance(o, ConnectionSeen)]
    if capture.damage:
        yield finding("HP601", f"The capture breaks off: {capture.damage}.", [capture.id])
    snapped = [c for c in connections if c.from_device.snapped_bytes or c.from_cloud.snapped_bytes]
    if snapped:
        total = sum(c.from_device.snapped_bytes + c.from_cloud.snapped_bytes for c in snapped)
        yield finding(
            "HP602",
            f"The capture cuts packets off (snap length {capture.snap_length or 'unknown'}): "
            f"{total} bytes of {_count(len(snapped), 'connection')} are missing.",
            [c.id for c in snapped[:8]],
        )
    begun = [c for c in connections if c.midstream]
    if begun:
        yield finding(
            "HP603",
            f"{_count(len(begun), 'connection')} had begun before the capture: "
            "without the key exchange nothing in them can be decrypted.",
            [c.id for c in begun[:8]],
        )
    if capture.drops:
        yield finding("HP604", f"The capture dropped {capture.drops} frames.", [capture.id])
    holes = [c for c in connections if _lost_by_capture(c)]
    if holes:
        yield finding(
            "HP604",
            f"Acknowledged bytes are missing in {_count(len(holes), 'connection')}: "
            "the capture lost them.",
            [c.id for c in holes[:8]],
        )
    late = [c for c in connections if c.from_device.late_bytes or c.from_cloud.late_bytes]
    if late:
        yield finding(
            "HP604",
            f"In {_count(len(late), 'connection')} bytes come long after their acknowledgment: the "
            "capture's frames are out of order (two sources merged whose clocks differ).",
            [c.id for c in late[:8]],
            Confidence.LIKELY,
        )
    if any(c.capped for c in connections):
        yield finding(
            "HP610",
            "A connection exceeds what is kept in memory.",
            [c.id for c in connections if c.capped][:8],
        )
    if capture.capped:
        yield finding(
            "HP610", "More connections, hosts or names than are kept in memory.", [capture.id]
        )
    yield from _unread(capture, len(devices))
    if capture.other_port is not None:
        yield finding(
            "HP608", f"The handshake was found on TCP port {capture.other_port}.", [capture.id]
        )
    yield from _shared_addresses(devices, connections)
    yield from _repeated_nonces(connections)
    yield from _beside(observations, capture.last)
    if not devices:
        yield finding(
            "HP606",
            f"No device's handshake in {_count(capture.frames, 'frame')}.",
            [capture.id],
        )
        unread = {k: v for k, v in capture.skipped.items() if k in UNREAD}
        if unread:
            words = ", ".join(
                f"{count} ({reason.replace('_', ' ')})" for reason, count in unread.items()
            )
            yield finding("HP611", f"Frames that were not read: {words}.", [capture.id])


def _unread(capture: CaptureSeen, devices: int) -> Iterator[Finding]:
    """Frames that were left alone and may hold what is missing."""
    encrypted = capture.skipped.get("encrypted", 0)
    if encrypted:
        yield finding(
            "HP613",
            f"{_count(encrypted, 'Wi-Fi frame')} are encrypted and cannot be read.",
            [capture.id],
        )
    overlapping = capture.skipped.get("fragment_overlap", 0)
    if overlapping:
        yield finding(
            "HP614",
            f"{_count(overlapping, 'IP fragment')} overlap others of the same packet.",
            [capture.id],
        )
    if capture.lost_fragments:
        yield finding(
            "HP604",
            f"{_count(capture.lost_fragments, 'IP fragment')} lack the rest of their packet.",
            [capture.id],
        )
    tunnelled = capture.skipped.get("tunnel", 0)
    if tunnelled and not devices:
        yield finding(
            "HP615",
            f"{_count(tunnelled, 'frame')} hold a tunnel (GRE, VXLAN, MPLS, TZSP …), left alone.",
            [capture.id],
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _lost_by_capture(connection: ConnectionSeen) -> bool:
    for sent in (connection.from_device, connection.from_cloud):
        unseen = sent.missing_bytes - sent.snapped_bytes - sent.late_bytes
        if unseen > 0 and sent.acknowledged_up_to >= sent.claimed_up_to - 1:
            return True
    return False


def _shared_addresses(
    devices: Sequence[DeviceReport], connections: Sequence[ConnectionSeen]
) -> Iterator[Finding]:
    """Addresses at which several devices were found, and not all by their ids."""
    at: dict[str, list[DeviceReport]] = {}
    for device in devices:
        at.setdefault(device.address, []).append(device)
    shared = {
        address: there
        for address, there in at.items()
        if len(there) > 1 and any(device.device_id is None for device in there)
    }
    ids = {c.stream: c.id for c in connections} if shared else {}
    for address, there in shared.items():
        firsts = [device.connections[0].stream for device in there if device.connections]
        yield finding(
            "HP617",
            f"At least {len(there)} devices are behind {address}: streams {_listed(firsts[:8])} "
            "are not one device's. Without their ids, nothing tells whose the other streams are.",
            [ids[stream] for stream in firsts[:8]],
            Confidence.LIKELY,
            device=address,
        )


def _listed(numbers: Sequence[int]) -> str:
    return " and ".join(", ".join(map(str, numbers)).rsplit(", ", 1))


def _repeated_nonces(connections: Sequence[ConnectionSeen]) -> Iterator[Finding]:
    seen: dict[str, ConnectionSeen] = {}
    for connection in connections:
        nonce = connection.nonce
        if nonce is None or nonce.digest is None or nonce.flaws:
            continue
        earlier = seen.setdefault(nonce.digest, connection)
        if earlier is not connection:
            yield finding(
                "HP504",
                f"Streams {earlier.stream} and {connection.stream} got the same nonce.",
                [earlier.id, connection.id, f"frame {nonce.frame}"],
            )
            return


def _beside(observations: Sequence[AnyObservation], last: float | None) -> Iterator[Finding]:
    tests = [o for o in observations if isinstance(o, InternetTestSeen)]
    tests = [t for t in tests if t.answered or (last or 0.0) - t.time >= TEST_PATIENCE]
    failed = [t for t in tests if not t.answered]
    if failed and len(failed) == len(tests):
        kind = "NTP" if failed[0].test == "ntp" else "TCP 8.8.8.8:53"
        yield finding(
            "HP150",
            f"The internet test of {failed[0].host} ({kind}) is unanswered "
            f"({_count(len(failed), 'time')}).",
            [t.id for t in failed[:4]],
            device=failed[0].host,
        )
    different = [o for o in observations if isinstance(o, DnsSeen) and o.different_answers]
    if different:
        yield finding(
            "HP104",
            f"{different[0].name}: two answers to one question differ.",
            [o.id for o in different[:4]],
            Confidence.LIKELY,
        )
    dtls = [o for o in observations if isinstance(o, UdpCloudSeen)]
    if dtls:
        hosts = ", ".join(sorted({o.device for o in dtls})[:4])
        answered = any(o.from_cloud for o in dtls)
        yield finding(
            "HP607",
            f"{hosts} uses UDP 5684 ({'answered' if answered else 'no answer seen'}).",
            [o.id for o in dtls[:4]],
        )
