"""What a decrypted conversation said, condensed into one `SessionSeen`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from handshake_probe.diagnose.heard import Heard
from handshake_probe.model.observations import SessionSeen
from handshake_probe.packets.units import Direction
from handshake_probe.protocol import events as ev
from handshake_probe.protocol.kinds import Kind

_ByKind = defaultdict[str, list[ev.Message]]

ONE_BLOCK = 16  # bytes
# What the cloud says on its own account; its ids are its own and answer nothing.
NEW_TALK = (Kind.HELLO, Kind.PING, Kind.EVENT, Kind.DESCRIBE_REQUEST, Kind.FUNCTION_CALL)


def observe_session(heard: Heard) -> SessionSeen | None:
    """Condense the messages of one connection; None when no session key was found."""
    keys = heard.keys
    if keys is None:
        return None
    messages = heard.messages
    gap = heard.gap
    unheard = gap.records if gap else {}
    device = [m for m in messages if m.direction is Direction.DEVICE_TO_CLOUD]
    cloud = [m for m in messages if m.direction is Direction.CLOUD_TO_DEVICE]
    told, answered = _by_kind(device), _by_kind(cloud)
    hello = _first(told, Kind.HELLO)
    details = hello.details if hello else {}
    # What answered a request before a gap may be in the gap.
    recent = told if gap is None else _by_kind([m for m in device if m.frame >= gap.frame])
    return SessionSeen(
        proven=keys.proven,
        messages=len(messages) + sum(between.messages for between in unheard.values()),
        device_hello=hello.frame if hello else None,
        server_hello=_frame(answered, Kind.HELLO),
        device_os=_text(details.get("device_os")),
        platform_id=_number(details.get("platform_id")),
        product_id=_number(details.get("product_id")),
        hello_seed=_text(details.get("seed")),
        claim_code=[m.frame for m in told[Kind.CLAIM_CODE] if not m.details.get("erased")],
        claim_confirmed=_frame(answered, Kind.CLAIM_CONFIRMED),
        safe_mode=_frame(told, Kind.SAFE_MODE),
        key_error=next((_number(m.details.get("error_mask")) for m in told[Kind.KEY_ERROR]), None),
        goodbye=_frame(told, Kind.GOODBYE),
        describe_requested=[m.frame for m in answered[Kind.DESCRIBE_REQUEST]],
        describe_refused=_reply_to_describe(told, Kind.REFUSAL),
        describe_answered=_frame(told, Kind.DESCRIBE),
        describe_acknowledged=_reply_to_describe(told, Kind.ACK),
        pings_unanswered=_unanswered(recent, answered, Kind.PING),
        requests_unanswered=_unanswered(recent, answered, Kind.TIME_REQUEST, Kind.SUBSCRIBE),
        last_exchange=_last_exchange(device, cloud, unheard),
        cloud_chain_broken=_chain_broken(heard.events) if _any_garbage(heard, answered) else 0,
    )


def _by_kind(messages: Iterable[ev.Message]) -> _ByKind:
    kinds: _ByKind = defaultdict(list)
    for message in messages:
        kinds[message.kind].append(message)
    return kinds


def _first(messages: _ByKind, kind: Kind) -> ev.Message | None:
    return next(iter(messages[kind]), None)


def _frame(messages: _ByKind, kind: Kind) -> int | None:
    found = _first(messages, kind)
    return found.frame if found else None


def _reply_to_describe(messages: _ByKind, kind: Kind) -> int | None:
    answers = (m.frame for m in messages[kind] if m.details.get("answers") == Kind.DESCRIBE_REQUEST)
    return next(answers, None)


def _text(value: str | int | bool | None) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: str | int | bool | None) -> int | None:
    return value if isinstance(value, int) else None


def _unanswered(device: _ByKind, cloud: _ByKind, *kinds: Kind) -> int:
    """Confirmable messages of these kinds that the cloud answered with nothing of their id."""
    asked = [m for kind in kinds for m in device[kind] if not m.truncated_head]
    if not asked:
        return 0
    answered = {
        m.details.get("message_id")
        for kind, messages in cloud.items()
        if kind not in NEW_TALK
        for m in messages
    }
    return sum(m.details.get("message_id") not in answered for m in asked)


def _last_exchange(
    device: list[ev.Message],
    cloud: list[ev.Message],
    unheard: Mapping[Direction, ev.RecordsLeftOut],
) -> float | None:
    if not device or not cloud:
        return None
    last = {Direction.DEVICE_TO_CLOUD: device[-1], Direction.CLOUD_TO_DEVICE: cloud[-1]}
    times = {direction: message.time_ns for direction, message in last.items()}
    for direction, between in unheard.items():
        if between.last is not None:
            times[direction] = max(times[direction], between.last.time_ns)
    return min(times.values()) / 1e9


def _any_garbage(heard: Heard, cloud: _ByKind) -> bool:
    return bool(heard.flaws or cloud[Kind.MALFORMED] or cloud[Kind.UNKNOWN])


def _chain_broken(events: Sequence[ev.Event]) -> int:
    """Records of the cloud that are garbage because it carries the wrong block as IV.

    The last block instead of the first shows only behind a longer record, where the two differ;
    an IV that never moves shows from the second record on. Just these must be garbage and none of
    the others, else it is something else.
    """
    lengths: dict[int, int] = {}
    good: dict[int, bool] = {}
    for event in events:
        if getattr(event, "direction", None) is not Direction.CLOUD_TO_DEVICE:
            continue
        if isinstance(event, ev.RecordSeen):
            lengths[event.index] = event.length
        elif isinstance(event, ev.Message) and not event.truncated_head:
            good[event.index] = event.kind not in (Kind.MALFORMED, Kind.UNKNOWN)
        elif isinstance(event, ev.RecordBad):
            good[event.index] = False
    if not good.get(min(good, default=0)):
        return 0  # the first record carries the session's own IV: a wrong chain spares it
    bad = [index for index, is_good in good.items() if not is_good]
    if not bad:
        return 0
    after_longer = [index for index in good if lengths.get(index - 1, 0) > ONE_BLOCK]
    all_others = [index for index in good if index != min(good)]
    if bad == after_longer or (bad == all_others and len(bad) > 1):
        return len(bad)
    return 0
