"""Rules on the path that hold at every stage: bytes that were dropped, resets that were forged.

The *advanced-sequence rule*: when a sender's own sequence numbers have moved over bytes that the
capture never saw and the receiver never acknowledged, these bytes were dropped on the way.
"""

from __future__ import annotations

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.judgement import Clue, Judgement, caused, frames, undecided
from handshake_probe.diagnose.resets import Origin, outlived
from handshake_probe.model.observations import ConnectionSeen, ControlSeen, DirectionSeen
from handshake_probe.model.vocabulary import Cause, Confidence, EndedBy, Mechanism, Stage

RESET_AT = {
    Stage.TCP_ESTABLISHED: Mechanism.RESET_BEFORE_NONCE,
    Stage.NONCE_RECEIVED: Mechanism.RESET_AFTER_NONCE,
    Stage.IDENTITY_SENT: Mechanism.RESET_AFTER_IDENTITY,
    Stage.CREDENTIALS_RECEIVED: Mechanism.RESET_AFTER_CREDENTIALS,
    Stage.HELLO_SENT: Mechanism.RESET_IN_SESSION,
    Stage.SESSION: Mechanism.RESET_IN_SESSION,
}
DROPPED_FROM_CLOUD = {
    Stage.TCP_ESTABLISHED: (Mechanism.NONCE_DROPPED, "HP122", "the cloud's first message"),
    Stage.NONCE_RECEIVED: (Mechanism.CREDENTIALS_DROPPED, "HP124", "the cloud's next message"),
    Stage.IDENTITY_SENT: (Mechanism.CREDENTIALS_DROPPED, "HP124", "the cloud's answer"),
    Stage.CREDENTIALS_RECEIVED: (Mechanism.RECORD_DROPPED, "HP125", "the cloud's next message"),
    Stage.HELLO_SENT: (Mechanism.RECORD_DROPPED, "HP125", "the cloud's Hello"),
    Stage.SESSION: (Mechanism.RECORD_DROPPED, "HP125", "a message"),
}
DROPPED_FROM_DEVICE = {
    Stage.TCP_ESTABLISHED: (Mechanism.IDENTITY_DROPPED, "HP123", "the device's first message"),
    Stage.NONCE_RECEIVED: (Mechanism.IDENTITY_DROPPED, "HP123", "the device's identity"),
    Stage.IDENTITY_SENT: (Mechanism.IDENTITY_DROPPED, "HP123", "the device's identity"),
    Stage.CREDENTIALS_RECEIVED: (Mechanism.RECORD_DROPPED, "HP125", "the device's Hello"),
    Stage.HELLO_SENT: (Mechanism.RECORD_DROPPED, "HP125", "the device's Hello"),
    Stage.SESSION: (Mechanism.RECORD_DROPPED, "HP125", "a message"),
}
# Two repeats rule out a single lost segment; the kernel's first repeat comes after 0.2 to 1 s.
REPEATS = 2
REPEAT_DUE = 2.0  # seconds by which a lost segment would have been sent again
IDLE = 8.0  # seconds; a device's first repeat comes 3 s later at most
LARGE = 600  # bytes; all of the handshake is smaller
TOO_LARGE = (
    " If only large messages are lost, they do not fit the path (its MTU), which does not say so."
)
MANY_REPEATS = 4  # more than three seconds of vain repeats by themselves


def judge_path(case: Case) -> Judgement | None:
    """Proof or strong evidence that the path dropped or broke this connection, else None."""
    return _forged_reset(case) or _claimed_and_lost(case) or _repeated_in_vain(case)


def _forged_reset(case: Case) -> Judgement | None:
    connection = case.connection
    for reset in connection.controls:
        if reset.flags != "RST" or _aftermath(case, reset) or outlived(connection, reset):
            continue
        origin = case.origin(reset)
        if origin.origin is not Origin.BOX:
            continue
        name = "the cloud" if reset.sender == "cloud" else "the device"
        clue = Clue(
            "HP130",
            f"A reset with {name}'s address was made by somebody else: "
            f"{'; '.join(origin.reasons)}.",
            (connection.id, *frames(reset.frame)),
            Confidence.PROVEN if origin.certain else Confidence.LIKELY,
        )
        return caused(
            Cause.NETWORK_BLOCKED,
            RESET_AT.get(connection.stage, Mechanism.RESET_IN_SESSION),
            clue,
            f"A device on the path cuts the connection with a reset in {name}'s name.",
            others=() if origin.certain else (Cause.SERVER_FAULT,),
            blocker=case.topology.first_hop(connection) if origin.first_hop else None,
        )
    return None


def _aftermath(case: Case, reset: ControlSeen) -> bool:
    """A reset after either side's FIN only tidies up (unread data, a late segment)."""
    return any(
        control.flags == "FIN" and control.frame < reset.frame
        for control in case.connection.controls
    )


def _claimed_and_lost(case: Case) -> Judgement | None:
    """The advanced-sequence rule, in both directions."""
    connection = case.connection
    cloud, device = connection.from_cloud, connection.from_device
    for sent, table, who in (
        (cloud, DROPPED_FROM_CLOUD, "cloud"),
        (device, DROPPED_FROM_DEVICE, "device"),
    ):
        lost = sent.claimed_up_to - max(sent.sent_up_to, sent.acknowledged_up_to, 1)
        if lost <= 1 or connection.midstream:  # one: a FIN takes a sequence number of its own
            continue
        if case.lossy or not _would_have_come(connection, sent):
            continue
        if who == "cloud" and _device_hung_up(connection):
            continue
        mechanism, code, what = table.get(
            connection.stage, (Mechanism.RECORD_DROPPED, "HP125", "data")
        )
        clue = Clue(
            code,
            f"The {who}'s sequence numbers have moved over {lost} bytes that never came by "
            "and that nobody acknowledged.",
            (connection.id, *frames(sent.last_packet_frame)),
            # A capture that loses the last frames of a session looks the same.
            Confidence.LIKELY if connection.stage is Stage.SESSION else Confidence.PROVEN,
        )
        return caused(
            Cause.NETWORK_BLOCKED,
            mechanism,
            clue,
            f"The {who} sent {lost} bytes ({what}) that were dropped on the way.",
        )
    return None


def _would_have_come(connection: ConnectionSeen, sent: DirectionSeen) -> bool:
    """Whether the claimed bytes, or their repeats, had time enough to be captured.

    Either the capture went on after the claim, or the device waited for them before it closed.
    """
    if connection.capture_end - (sent.last_packet or 0.0) >= REPEAT_DUE:
        return True
    spoke, closed = connection.from_device.last_data, connection.ended_time
    return (
        connection.stage is not Stage.SESSION
        and connection.ended_by is EndedBy.DEVICE_FIN
        and closed is not None
        and closed - (spoke or connection.started) >= REPEAT_DUE
    )


def _device_hung_up(connection: ConnectionSeen) -> bool:
    """Whether the device closed, and its kernel answered what still came with a reset.

    Then it is the capture that lost what came, and an acknowledgment was never due.
    """
    closed = [c.frame for c in connection.controls if c.sender == "device" and c.flags == "FIN"]
    return any(
        c.sender == "device" and c.flags == "RST" and closed and c.frame > closed[0]
        for c in connection.controls
    )


def _repeated_in_vain(case: Case) -> Judgement | None:
    """Data sent again and again without an acknowledgement."""
    connection = case.connection
    device, cloud = connection.from_device, connection.from_cloud
    if _unheard(connection, device) and not _cloud_closed_before(connection):
        mechanism, code, what = DROPPED_FROM_DEVICE.get(
            connection.stage, (Mechanism.RECORD_DROPPED, "HP125", "data")
        )
        session = connection.stage is Stage.SESSION
        alive = _alive_after(cloud, device)
        waiting = device.sent_up_to - device.acknowledged_up_to
        clue = Clue(
            "HP140" if session and not alive and _was_idle(connection) else code,
            f"The device sends {what} {device.unacknowledged_retransmissions + 1} times, "
            f"the cloud never acknowledges it ({waiting} bytes)"
            + (", although the cloud's own packets still arrive." if alive else "."),
            (connection.id, *frames(device.last_data_frame)),
            Confidence.LIKELY,
        )
        return caused(
            Cause.NETWORK_BLOCKED,
            Mechanism.SESSION_SILENT if session and not alive else mechanism,
            clue,
            "The live session went silent: what the device sends gets no acknowledgement any more."
            + (TOO_LARGE if waiting >= LARGE else "")
            if session
            else f"{what[0].upper()}{what[1:]} does not get through: it is sent again and again, "
            "and the cloud never acknowledges it.",
            others=() if alive else (Cause.SERVER_FAULT,),
            assumption=None if alive else "that the cloud's host did not vanish in the same moment",
        )
    if _unheard(connection, cloud):
        return _cloud_unheard(case)
    return None


def _cloud_unheard(case: Case) -> Judgement:
    """The cloud repeats data that the device does not acknowledge."""
    connection = case.connection
    device, cloud = connection.from_device, connection.from_cloud
    mechanism, code, what = DROPPED_FROM_CLOUD.get(
        connection.stage, (Mechanism.RECORD_DROPPED, "HP125", "data")
    )
    clue = Clue(
        code,
        f"The cloud sends {what} {cloud.unacknowledged_retransmissions + 1} times, "
        "the device does not acknowledge it.",
        (connection.id, *frames(cloud.last_data_frame)),
        Confidence.LIKELY,
    )
    if _alive_after(device, cloud):
        return caused(
            Cause.NETWORK_BLOCKED,
            mechanism,
            clue,
            f"{what[0].upper()}{what[1:]} does not reach the device, although the device is alive.",
        )
    return undecided(
        (Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED),
        Mechanism.DEVICE_SILENT,
        clue,
        "The device went silent in the middle of the connection: "
        "it lost power or Wi-Fi, or what the cloud sends does not reach it.",
        "The device's LED at that moment, or a capture on the device's own Wi-Fi.",
    )


def peer_gone(case: Case) -> Judgement | None:
    """The cloud's host answers the device's FIN with a reset as if it had never heard of it.

    Its own end of the connection was gone, and the FIN or reset that ended it never came by:
    somebody between told the cloud that the connection was over.
    """
    connection = case.connection
    closed = next((c for c in connection.controls if c.flags == "FIN"), None)
    reset = case.first_reset
    if (
        closed is None
        or closed.sender != "device"
        or reset is None
        or reset.sender != "cloud"
        or reset.frame < closed.frame
        or reset.acknowledgment is not None
        or case.origin(reset).origin is not Origin.PEER
    ):
        return None
    clue = Clue(
        "HP130",
        "The cloud's host does not know the connection any more when the device closes it, "
        "and nothing that ended it ever came by.",
        (connection.id, *frames(closed.frame, reset.frame)),
        Confidence.LIKELY,
    )
    return caused(
        Cause.NETWORK_BLOCKED,
        RESET_AT.get(connection.stage, Mechanism.RESET_IN_SESSION),
        clue,
        "Something on the path ended the connection on the cloud's side without telling the "
        "device; what the cloud sent was dropped.",
        others=(Cause.SERVER_FAULT,),
        assumption="that the cloud's host did not restart in that moment",
    )


def _unheard(connection: ConnectionSeen, sent: DirectionSeen) -> bool:
    last = sent.last_retransmission
    return (
        last is not None
        and (
            sent.unacknowledged_retransmissions >= MANY_REPEATS
            or connection.capture_end - last >= REPEAT_DUE
        )
        and sent.unacknowledged_retransmissions >= REPEATS
        and sent.sent_up_to > sent.acknowledged_up_to
    )


def _was_idle(connection: ConnectionSeen) -> bool:
    """Whether nothing had come from the cloud for a while: an idle time-out may have passed."""
    heard, again = connection.from_cloud.last_packet, connection.from_device.first_retransmission
    return heard is None or again is None or again - heard >= IDLE


def _alive_after(speaker: DirectionSeen, repeater: DirectionSeen) -> bool:
    """Whether `speaker` still sent something after the other side began to repeat itself."""
    return (
        repeater.first_retransmission is not None
        and speaker.last_packet is not None
        and speaker.last_packet > repeater.first_retransmission + 1.0
    )


def _cloud_closed_before(connection: ConnectionSeen) -> bool:
    """Whether the cloud's FIN came before the device began to repeat itself: nobody listened."""
    began = connection.from_device.first_retransmission or 0.0
    return any(
        c.sender == "cloud" and c.flags == "FIN" and c.time < began for c in connection.controls
    )
