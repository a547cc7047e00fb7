"""One TCP connection's path facts and transcript events, condensed into one observation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from handshake_probe.diagnose.observe_session import observe_session
from handshake_probe.keys.fingerprint import describe_sent_key, fingerprint, read_spki
from handshake_probe.model.observations import (
    ConnectionSeen,
    ControlSeen,
    CredentialsSeen,
    DirectionSeen,
    IcmpSeen,
    IdentitySeen,
    KeyTest,
    NonceSeen,
    RecordsSeen,
    SessionSeen,
)
from handshake_probe.model.vocabulary import EndedBy, Stage
from handshake_probe.packets.addresses import address_text, endpoint_text, mac_text
from handshake_probe.packets.path import ControlPacket, DirectionFacts, PathFacts
from handshake_probe.packets.units import Direction, TcpFlags
from handshake_probe.protocol import events as ev

TIMESTAMPS_OPTION = 8  # RFC 7323
NONCE_SIZE, IDENTITY_SIZE, CREDENTIALS_SIZE = 40, 256, 384
SMALLEST_RECORD = 18  # bytes, its length prefix included
CONTROLS_KEPT = 48  # per connection: a SYN flood must not swell the document
# A SYN is sent again after 1 s (RFC 6298); a Photon gives up after 5 s.
SYN_PATIENCE = 2.0
# The device's own limit for every blocking read is 20 s, its longest healthy silence 15 s.
QUIET_LIMIT = 30.0


def seconds(time_ns: int) -> float:
    """Nanoseconds since the epoch as seconds."""
    return time_ns / 1e9


def observe_connection(
    identifier: str, facts: PathFacts, events: Sequence[ev.Event], capture_end_ns: int
) -> ConnectionSeen:
    """Condense one connection. `events` are those of its transcript, in order."""
    controls = _controls(facts)
    nonce = _nonce(events)
    identity = _identity(events)
    credentials = _credentials(events)
    device_records = _records(events, Direction.DEVICE_TO_CLOUD)
    cloud_records = _records(events, Direction.CLOUD_TO_DEVICE)
    session = observe_session(events)
    ended_by, ended = _ending(facts, controls, capture_end_ns)
    return ConnectionSeen(
        id=identifier,
        stream=facts.number,
        device=endpoint_text(facts.device),
        cloud=endpoint_text(facts.cloud),
        first_frame=facts.first_frame,
        last_frame=facts.last_frame,
        started=seconds(facts.first_ns),
        ended=seconds(facts.last_ns),
        capture_end=seconds(capture_end_ns),
        stage=_stage(
            facts, _Steps(nonce, identity, credentials, device_records, cloud_records, session)
        ),
        ended_by=ended_by,
        ended_frame=ended.frame if ended else None,
        ended_time=ended.time if ended else None,
        midstream=facts.midstream and not _holds_handshake(events),
        orientation_known=facts.orientation_known,
        established=seconds(facts.established_ns) if facts.established_ns is not None else None,
        min_rtt=facts.min_rtt_ns / 1e9 if facts.min_rtt_ns is not None else None,
        from_device=_direction(facts.from_device),
        from_cloud=_direction(facts.from_cloud),
        controls=controls,
        icmp=[
            IcmpSeen(
                frame=message.frame,
                time=seconds(message.time_ns),
                source=address_text(message.source),
                version=message.version,
                type=message.type,
                code=message.code,
                ttl=message.ttl,
            )
            for message in facts.icmp_errors[:CONTROLS_KEPT]
        ],
        nonce=nonce,
        identity=identity,
        credentials=credentials,
        key_tests=_key_tests(events),
        device_records=device_records,
        cloud_records=cloud_records,
        session=session,
        capped=facts.capped,
    )


def _holds_handshake(events: Iterable[ev.Event]) -> bool:
    """Whether the events are those of a connection read from its first byte."""
    return any(isinstance(event, (ev.NonceReceived, ev.NonceShort)) for event in events)


def without_cloud_tests(connection: ConnectionSeen) -> ConnectionSeen:
    """The connection without what cloud keys showed: they turned out not to apply to it."""
    kept = [test for test in connection.key_tests if test.role != "cloud"]
    return msgspec.structs.replace(connection, key_tests=kept)


def _flag_word(flags: int) -> str:
    if flags & TcpFlags.RST:
        return "RST"
    if flags & TcpFlags.SYN:
        return "SYN-ACK" if flags & TcpFlags.ACK else "SYN"
    return "FIN"


def _control(packet: ControlPacket, sender: str) -> ControlSeen:
    return ControlSeen(
        frame=packet.frame,
        time=seconds(packet.time_ns),
        sender=sender,
        flags=_flag_word(packet.flags),
        sequence=packet.sequence,
        acknowledgment=packet.acknowledgment,
        ttl=packet.ttl,
        ip_id=packet.ip_id,
        window=packet.window,
        timestamps=TIMESTAMPS_OPTION in packet.options,
    )


def _controls(facts: PathFacts) -> list[ControlSeen]:
    both = [_control(packet, "device") for packet in facts.from_device.controls]
    both += [_control(packet, "cloud") for packet in facts.from_cloud.controls]
    both.sort(key=lambda control: control.frame)
    if len(both) > CONTROLS_KEPT:
        half = CONTROLS_KEPT // 2
        return both[:half] + both[-half:]
    return both


def _direction(facts: DirectionFacts) -> DirectionSeen:
    again = facts.retransmissions
    return DirectionSeen(
        packets=facts.packets,
        sent_up_to=facts.sent_up_to,
        claimed_up_to=facts.claimed_up_to,
        acknowledged_up_to=facts.acknowledged_up_to,
        missing_bytes=facts.missing_bytes,
        snapped_bytes=facts.snapped_bytes,
        retransmissions=len(again),
        unacknowledged_retransmissions=sum(not item.acknowledged for item in again),
        first_retransmission=seconds(again[0].time_ns) if again else None,
        last_retransmission=seconds(again[-1].time_ns) if again else None,
        keepalives=facts.keepalives,
        conflicting_bytes=facts.conflicting_bytes,
        duplicate_frames=facts.duplicate_frames,
        ttls=[ttl for ttl, _ in facts.ttls.most_common(8)],
        timestamps=facts.uses_timestamps,
        last_data=seconds(facts.last_data_ns) if facts.last_data_ns is not None else None,
        last_data_frame=facts.last_data_frame,
        last_packet=seconds(facts.last_packet_ns) if facts.last_packet_ns is not None else None,
        last_packet_frame=facts.last_packet_frame,
        data_after_reset=facts.after_reset_data,
        link_source=mac_text(facts.link_sources.most_common(1)[0][0])
        if facts.link_sources
        else None,
    )


def _digest(data: bytes | None) -> str | None:
    return hashlib.sha256(data).hexdigest()[:16] if data else None


def _nonce(events: Iterable[ev.Event]) -> NonceSeen | None:
    for event in events:
        if isinstance(event, ev.NonceReceived):
            return NonceSeen(
                frame=event.frame,
                time=seconds(event.time_ns),
                received=NONCE_SIZE + event.surplus,
                whole=True,
                flaws=[str(flaw) for flaw in event.flaws],
                looks_like=event.looks_like,
                excerpt=ascii_excerpt(event.excerpt),
                digest=_digest(event.nonce),
            )
        if isinstance(event, ev.NonceShort) and event.received:
            return NonceSeen(
                frame=event.frame,
                time=seconds(event.time_ns),
                received=event.received,
                whole=False,
                looks_like=event.looks_like,
                excerpt=ascii_excerpt(event.excerpt),
            )
    return None


def ascii_excerpt(data: bytes) -> str | None:
    """Printable ASCII as it is, every other byte as `\\xNN`; None for nothing."""
    if not data:
        return None
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in data[:120])


def _identity(events: Iterable[ev.Event]) -> IdentitySeen | None:
    for event in events:
        if isinstance(event, ev.IdentitySent):
            return IdentitySeen(
                frame=event.frame,
                time=seconds(event.time_ns),
                received=IDENTITY_SIZE,
                captured=event.blob is not None,
                pieces=event.pieces,
                digest=_digest(event.blob),
            )
        if isinstance(event, ev.IdentityShort):
            return IdentitySeen(
                frame=event.frame,
                time=seconds(event.time_ns),
                received=event.received,
                captured=False,
            )
    return None


def _credentials(events: Iterable[ev.Event]) -> CredentialsSeen | None:
    found = None
    for event in events:
        if isinstance(event, ev.CredentialsReceived):
            found = CredentialsSeen(
                frame=event.frame,
                time=seconds(event.time_ns),
                received=CREDENTIALS_SIZE,
                whole=True,
                captured=event.ciphertext is not None and event.signature is not None,
            )
        elif isinstance(event, (ev.CredentialsShort, ev.CredentialsOddSize)) and event.received:
            found = CredentialsSeen(
                frame=event.frame,
                time=seconds(event.time_ns),
                received=event.received,
                whole=event.received >= CREDENTIALS_SIZE,
                captured=True,
            )
    return found


def _key_tests(events: Iterable[ev.Event]) -> list[KeyTest]:
    tests: list[KeyTest] = []
    sent: set[str] = set()  # fingerprints of keys that came in an identity
    for event in events:
        if isinstance(event, ev.IdentityTest):
            key = fingerprint_of_sent(event.device_key)
            sent |= {key} if key else set()
            tests.append(
                KeyTest(
                    frame=event.frame,
                    block="identity",
                    key=event.key,
                    role="cloud",
                    private=event.private,
                    state=event.state,
                    length=event.plaintext_length,
                    device_id=event.device_id,
                    sent_key=key,
                    sent_key_flaw=describe_sent_key(event.device_key)
                    if event.device_key
                    else None,
                )
            )
        elif isinstance(event, ev.SignatureTest):
            tests.append(
                KeyTest(
                    frame=event.frame,
                    block="signature",
                    key=event.key,
                    role="cloud",
                    private=False,
                    state=event.state,
                    length=event.body_length,
                )
            )
        elif isinstance(event, ev.CredentialsTest):
            tests.append(
                KeyTest(
                    frame=event.frame,
                    block="credentials",
                    key=event.key,
                    role=_device_role(event, sent),
                    private=event.private,
                    state=event.state,
                    length=event.plaintext_length,
                    firmware_opens=event.firmware_opens,
                )
            )
    return tests


def fingerprint_of_sent(spki: bytes | None) -> str | None:
    """Fingerprint of the device key inside an identity; None when it is no key at all."""
    numbers = read_spki(spki) if spki else None
    return fingerprint(*numbers) if numbers else None


def _device_role(event: ev.CredentialsTest, sent: set[str]) -> str:
    if event.private:
        return "device"
    return "sent" if event.key in sent else "registered"


def _records(events: Iterable[ev.Event], direction: Direction) -> RecordsSeen:
    count = bad = 0
    first: ev.RecordSeen | None = None
    last: ev.RecordSeen | None = None
    lost = False
    for event in events:
        if isinstance(event, ev.RecordSeen) and event.direction is direction:
            count += 1
            first = first or event
            last = event
        elif isinstance(event, ev.RecordBad) and event.direction is direction:
            bad += 1
        elif isinstance(event, ev.FramingLost) and event.direction is direction:
            lost = True
    if first is None or last is None:
        return RecordsSeen(framing_lost=lost)
    return RecordsSeen(
        count=count,
        first_frame=first.frame,
        first_time=seconds(first.time_ns),
        first_length=first.length,
        last_time=seconds(last.time_ns),
        last_frame=last.frame,
        bad=bad,
        framing_lost=lost,
    )


@dataclass(frozen=True, slots=True)
class _Steps:
    nonce: NonceSeen | None
    identity: IdentitySeen | None
    credentials: CredentialsSeen | None
    device_records: RecordsSeen
    cloud_records: RecordsSeen
    session: SessionSeen | None


def _stage(facts: PathFacts, steps: _Steps) -> Stage:
    # Records of the cloud make a session, unless they were read and no Hello is among them.
    device, cloud = facts.from_device, facts.from_cloud
    read = steps.session is not None and steps.session.proven and not steps.cloud_records.bad
    no_hello = read and steps.session is not None and steps.session.server_hello is None
    late = _too_late(facts, steps.cloud_records.first_frame, NONCE_SIZE + CREDENTIALS_SIZE + 1)
    heard = (bool(steps.cloud_records.count) and not no_hello and not late) or _passed_unseen(
        cloud, NONCE_SIZE + CREDENTIALS_SIZE + SMALLEST_RECORD
    )
    spoke = bool(steps.device_records.count) or _passed_unseen(
        device, IDENTITY_SIZE + SMALLEST_RECORD
    )
    credentials = steps.credentials
    got_credentials = (credentials is not None and credentials.whole) or _passed_unseen(
        cloud, NONCE_SIZE + CREDENTIALS_SIZE
    )
    got_credentials = got_credentials and not _too_late(
        facts, credentials.frame if credentials else None, NONCE_SIZE + 1
    )
    if spoke:
        return Stage.SESSION if heard else Stage.HELLO_SENT
    if got_credentials:
        return Stage.CREDENTIALS_RECEIVED
    identity = steps.identity
    if (identity is not None and identity.received >= IDENTITY_SIZE) or _passed_unseen(
        device, IDENTITY_SIZE
    ):
        return Stage.IDENTITY_SENT
    nonce = steps.nonce
    if nonce is not None and nonce.whole and _nonce_arrived(facts):
        return Stage.TCP_ESTABLISHED if _too_late(facts, nonce.frame, 1) else Stage.NONCE_RECEIVED
    if facts.established_ns is not None or facts.midstream:
        return Stage.TCP_ESTABLISHED
    return Stage.TCP_SYN


def _passed_unseen(sent: DirectionFacts, size: int) -> bool:
    """Whether this many bytes passed although the capture does not hold them.

    Cut off by the snap length, or missing and acknowledged: a step shows by its position alone.
    """
    if not sent.missing_bytes:
        return False
    return max(sent.sent_up_to, sent.acknowledged_up_to) > size


def _too_late(facts: PathFacts, frame: int | None, acknowledged: int) -> bool:
    """Whether a step of the cloud came when the device had been gone and never got it.

    Gone: it had closed, or a reset with the cloud's address had told it to.
    """
    if frame is None or facts.from_cloud.acknowledged_up_to > acknowledged:
        return False
    closed = [c for c in facts.from_device.controls if c.flags & (TcpFlags.FIN | TcpFlags.RST)]
    closed += [c for c in facts.from_cloud.controls if c.flags & TcpFlags.RST]
    return any(control.frame < frame for control in closed)


def _nonce_arrived(facts: PathFacts) -> bool:
    """A nonce the capture saw reached the device unless the cloud had to repeat it in vain."""
    cloud = facts.from_cloud
    return cloud.acknowledged_up_to > NONCE_SIZE or not any(
        not again.acknowledged for again in cloud.retransmissions
    )


def _ending(
    facts: PathFacts, controls: Sequence[ControlSeen], capture_end_ns: int
) -> tuple[EndedBy, ControlSeen | None]:
    for control in controls:
        if control.flags in ("FIN", "RST"):
            return EndedBy(f"{control.sender}_{control.flags.lower()}"), control
    if facts.icmp_errors and facts.established_ns is None:
        return EndedBy.ICMP, None
    quiet = seconds(capture_end_ns - facts.last_ns)
    if facts.established_ns is None and not facts.midstream:
        syns = sum(control.flags == "SYN" for control in controls)
        waited = quiet >= SYN_PATIENCE or syns >= 2
        return (EndedBy.SILENCE if waited else EndedBy.CAPTURE_END), None
    unheard = any(
        facts.directions[direction].sent_up_to > facts.directions[direction].acknowledged_up_to
        and sum(not again.acknowledged for again in facts.directions[direction].retransmissions)
        >= 2
        for direction in Direction
    )
    silent = unheard or quiet >= QUIET_LIMIT
    return (EndedBy.SILENCE if silent else EndedBy.CAPTURE_END), None
