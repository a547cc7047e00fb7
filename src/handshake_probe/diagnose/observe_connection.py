"""One TCP connection's path facts and transcript events, condensed into one observation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple, TypeVar

from handshake_probe.diagnose.heard import Heard
from handshake_probe.diagnose.observe_session import observe_session
from handshake_probe.diagnose.observe_steps import (
    CREDENTIALS_SIZE,
    IDENTITY_SIZE,
    NONCE_SIZE,
    read_credentials,
    read_identity,
    read_key_tests,
    read_nonce,
    read_records,
    seconds,
)
from handshake_probe.diagnose.resets import outlived
from handshake_probe.model.observations import (
    ConnectionSeen,
    ControlSeen,
    CredentialsSeen,
    DirectionSeen,
    IcmpSeen,
    IdentitySeen,
    NonceSeen,
    RecordsSeen,
    SessionSeen,
)
from handshake_probe.model.vocabulary import EndedBy, Stage
from handshake_probe.packets.addresses import address_text, endpoint_text, mac_text
from handshake_probe.packets.path import ControlPacket, DirectionFacts, PathFacts, Retransmission
from handshake_probe.packets.units import Direction, TcpFlags
from handshake_probe.protocol import events as ev

# As numbers: an operation with an `IntFlag` takes as long as making an observation.
_FIN, _SYN, _RST, _ACK = map(int, (TcpFlags.FIN, TcpFlags.SYN, TcpFlags.RST, TcpFlags.ACK))
TIMESTAMPS_OPTION = 8  # RFC 7323
SMALLEST_RECORD = 18  # bytes, its length prefix included
CONTROLS_KEPT = 48  # per connection: a SYN flood must not swell the document
# A SYN is sent again after 1 s (RFC 6298); a Photon gives up after 5 s.
SYN_PATIENCE, SYN_TRIED = 2.0, 5.0
# The device's own limit for every blocking read is 20 s, its longest healthy silence 15 s.
QUIET_LIMIT = 30.0
_ENDED_BY = {
    ("device", "FIN"): EndedBy.DEVICE_FIN,
    ("device", "RST"): EndedBy.DEVICE_RST,
    ("cloud", "FIN"): EndedBy.CLOUD_FIN,
    ("cloud", "RST"): EndedBy.CLOUD_RST,
}

Value = TypeVar("Value")


def observe_connection(
    identifier: str, facts: PathFacts, heard: Heard, capture_end_ns: int
) -> ConnectionSeen:
    """Condense one connection and what its transcript heard."""
    controls = _controls(facts)
    nonce = read_nonce(heard.nonce)
    identity = read_identity(heard.identity)
    credentials = read_credentials(heard.credentials)
    device_records = read_records(heard, Direction.DEVICE_TO_CLOUD)
    cloud_records = read_records(heard, Direction.CLOUD_TO_DEVICE)
    session = observe_session(heard)
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
        # A nonce that was read, or was too short, shows the connection from its first byte.
        midstream=facts.midstream and not heard.nonce,
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
        key_tests=read_key_tests(heard.tests),
        device_records=device_records,
        cloud_records=cloud_records,
        session=session,
        capped=facts.capped or _messages_left_out(heard.gap),
    )


def _messages_left_out(gap: ev.LeftOut | None) -> bool:
    return gap is not None and any(between.messages for between in gap.records.values())


def _flag_word(flags: int) -> str:
    if flags & _RST:
        return "RST"
    if flags & _SYN:
        return "SYN-ACK" if flags & _ACK else "SYN"
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
    both.sort(key=attrgetter("frame"))
    if len(both) > CONTROLS_KEPT:
        half = CONTROLS_KEPT // 2
        return both[:half] + both[-half:]
    return both


def in_vain(facts: DirectionFacts) -> list[Retransmission]:
    """Repeats of bytes that the peer has not acknowledged to the end."""
    heard = facts.acknowledged_up_to
    return [item for item in facts.retransmissions if item.sequence + item.length > heard]


def _direction(facts: DirectionFacts) -> DirectionSeen:
    again = facts.retransmissions
    vain = in_vain(facts)
    return DirectionSeen(
        packets=facts.packets,
        sent_up_to=facts.sent_up_to,
        claimed_up_to=facts.claimed_up_to,
        acknowledged_up_to=facts.acknowledged_up_to,
        missing_bytes=facts.missing_bytes,
        snapped_bytes=facts.snapped_bytes,
        late_bytes=facts.late_bytes,
        retransmissions=len(again),
        unacknowledged_retransmissions=len(vain),
        first_retransmission=seconds((vain or again)[0].time_ns) if again else None,
        last_retransmission=seconds(again[-1].time_ns) if again else None,
        keepalives=facts.keepalives,
        conflicting_bytes=facts.conflicting_bytes,
        duplicate_frames=facts.duplicate_frames,
        ttls=_most_frequent(facts.ttls)[:8],
        timestamps=facts.uses_timestamps,
        last_data=seconds(facts.last_data_ns) if facts.last_data_ns is not None else None,
        last_data_frame=facts.last_data_frame,
        last_packet=seconds(facts.last_packet_ns) if facts.last_packet_ns is not None else None,
        last_packet_frame=facts.last_packet_frame,
        data_after_reset=facts.after_reset_data,
        link_source=mac_text(_most_frequent(facts.link_sources)[0]) if facts.link_sources else None,
    )


def _most_frequent(counted: Counter[Value]) -> list[Value]:
    """The most frequent value first; most often there is but one."""
    return list(counted) if len(counted) < 2 else [value for value, _ in counted.most_common()]


class _Steps(NamedTuple):
    nonce: NonceSeen | None
    identity: IdentitySeen | None
    credentials: CredentialsSeen | None
    device_records: RecordsSeen
    cloud_records: RecordsSeen
    session: SessionSeen | None


def _stage(facts: PathFacts, steps: _Steps) -> Stage:
    # Records of the cloud make a session, unless they were read and no Hello is among them.
    device, cloud = facts.from_device, facts.from_cloud
    # Records that are garbage to the last are none to the device either.
    garbage = steps.cloud_records.bad in (0, steps.cloud_records.count)
    read = steps.session is not None and steps.session.proven and garbage
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
    foreign = credentials is not None and credentials.excerpt is not None
    got_credentials = (
        got_credentials
        and not foreign
        and not _too_late(facts, credentials.frame if credentials else None, NONCE_SIZE + 1)
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
    closed = [c for c in facts.from_device.controls if c.flags & (_FIN | _RST)]
    closed += [c for c in facts.from_cloud.controls if c.flags & _RST]
    return any(control.frame < frame for control in closed)


def _nonce_arrived(facts: PathFacts) -> bool:
    """A nonce the capture saw reached the device unless the cloud had to repeat it in vain."""
    cloud = facts.from_cloud
    return cloud.acknowledged_up_to > NONCE_SIZE or not any(
        not again.acknowledged for again in cloud.retransmissions
    )


def _answered(
    facts: PathFacts, controls: Sequence[ControlSeen], closing: ControlSeen
) -> tuple[EndedBy, ControlSeen]:
    """A FIN that acknowledges the peer's came second, also where that is shown later or not."""
    device_closes = closing.sender == "device"
    peer, sent = ("cloud", facts.from_cloud) if device_closes else ("device", facts.from_device)
    if closing.flags == "FIN" and closing.acknowledgment == max(sent.sent_up_to, 1) + 1:
        found = (c for c in controls if c.sender == peer and c.flags == "FIN")
        return _ENDED_BY[peer, "FIN"], next(found, closing)
    return _ENDED_BY[closing.sender, closing.flags], closing


def _ending(
    facts: PathFacts, controls: Sequence[ControlSeen], capture_end_ns: int
) -> tuple[EndedBy, ControlSeen | None]:
    for control in controls:
        if control.flags == "FIN" or (control.flags == "RST" and not outlived(facts, control)):
            return _answered(facts, controls, control)
    if facts.icmp_errors and facts.established_ns is None:
        return EndedBy.ICMP, None
    quiet = seconds(capture_end_ns - facts.last_ns)
    if facts.established_ns is None and not facts.midstream:
        waited = quiet >= SYN_PATIENCE or seconds(capture_end_ns - facts.first_ns) >= SYN_TRIED
        return (EndedBy.SILENCE if waited else EndedBy.CAPTURE_END), None
    unheard = any(
        facts.directions[direction].sent_up_to > facts.directions[direction].acknowledged_up_to
        and len(in_vain(facts.directions[direction])) >= 2
        for direction in Direction
    )
    silent = unheard or quiet >= QUIET_LIMIT
    return (EndedBy.SILENCE if silent else EndedBy.CAPTURE_END), None
