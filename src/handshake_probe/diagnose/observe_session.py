"""What a decrypted conversation said, condensed into one `SessionSeen`."""

from __future__ import annotations

from collections.abc import Iterable

from handshake_probe.model.observations import SessionSeen
from handshake_probe.packets.units import Direction
from handshake_probe.protocol import events as ev
from handshake_probe.protocol.kinds import Kind


def observe_session(events: Iterable[ev.Event]) -> SessionSeen | None:
    """Condense the messages of one connection; None when no session key was found."""
    listed = list(events)
    keys = next((event for event in listed if isinstance(event, ev.SessionKeys)), None)
    if keys is None:
        return None
    messages = [event for event in listed if isinstance(event, ev.Message)]
    device = [m for m in messages if m.direction is Direction.DEVICE_TO_CLOUD]
    cloud = [m for m in messages if m.direction is Direction.CLOUD_TO_DEVICE]
    hello = _first(device, Kind.HELLO)
    details = hello.details if hello else {}
    requests = [m for m in cloud if m.kind == Kind.DESCRIBE_REQUEST]
    return SessionSeen(
        proven=keys.proven,
        messages=len(messages),
        device_hello=hello.frame if hello else None,
        server_hello=_frame(cloud, Kind.HELLO),
        device_os=_text(details.get("device_os")),
        platform_id=_number(details.get("platform_id")),
        product_id=_number(details.get("product_id")),
        hello_seed=_text(details.get("seed")),
        claim_code=[
            m.frame for m in device if m.kind == Kind.CLAIM_CODE and not m.details.get("erased")
        ],
        claim_confirmed=_frame(cloud, Kind.CLAIM_CONFIRMED),
        safe_mode=_frame(device, Kind.SAFE_MODE),
        key_error=next(
            (_number(m.details.get("error_mask")) for m in device if m.kind == Kind.KEY_ERROR), None
        ),
        goodbye=_frame(device, Kind.GOODBYE),
        describe_requested=[m.frame for m in requests],
        describe_refused=_reply_to_describe(device, Kind.REFUSAL),
        describe_answered=_frame(device, Kind.DESCRIBE),
        describe_acknowledged=_reply_to_describe(device, Kind.ACK),
        pings_unanswered=_unanswered_pings(device, cloud),
        last_exchange=_last_exchange(device, cloud),
        cloud_bad_after_good=_bad_after_good(listed),
    )


def _first(messages: Iterable[ev.Message], kind: Kind) -> ev.Message | None:
    return next((m for m in messages if m.kind == kind), None)


def _frame(messages: Iterable[ev.Message], kind: Kind) -> int | None:
    found = _first(messages, kind)
    return found.frame if found else None


def _reply_to_describe(messages: Iterable[ev.Message], kind: Kind) -> int | None:
    return next(
        (
            m.frame
            for m in messages
            if m.kind == kind and m.details.get("answers") == Kind.DESCRIBE_REQUEST
        ),
        None,
    )


def _text(value: str | int | bool | None) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: str | int | bool | None) -> int | None:
    return value if isinstance(value, int) else None


def _unanswered_pings(device: list[ev.Message], cloud: list[ev.Message]) -> int:
    """Device pings after which the cloud said nothing at all."""
    last_heard = max((m.time_ns for m in cloud), default=0)
    return sum(m.kind == Kind.PING and m.time_ns > last_heard for m in device)


def _last_exchange(device: list[ev.Message], cloud: list[ev.Message]) -> float | None:
    if not device or not cloud:
        return None
    return min(device[-1].time_ns, cloud[-1].time_ns) / 1e9


def _bad_after_good(events: list[ev.Event]) -> bool:
    """Whether the cloud's records stop decrypting right after records that did."""
    states = [
        isinstance(event, ev.Message) and event.kind != Kind.MALFORMED
        for event in events
        if isinstance(event, (ev.Message, ev.RecordBad))
        and event.direction is Direction.CLOUD_TO_DEVICE
    ]
    return any(good and not after for good, after in zip(states, states[1:], strict=False))
