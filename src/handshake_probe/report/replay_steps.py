"""A recorded handshake step by step: bytes, decoded fields, what each side knew and checked.

Private and session keys are never shown, a claim code neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from handshake_probe.keys.fingerprint import fingerprint_of
from handshake_probe.packets.units import Direction
from handshake_probe.protocol import events as seen
from handshake_probe.report.page import Page
from handshake_probe.report.words import counted, spaced

_DUMPED = 64  # bytes shown of one step
_ROW = 16
_CLAIM = b"claim"  # in the name of an event that holds a claim code
_D, _C = Direction.DEVICE_TO_CLOUD, Direction.CLOUD_TO_DEVICE

Line = tuple[str, str]  # label, text


@dataclass
class Step:
    """Something that passed, and what is known of it."""

    title: str
    direction: Direction | None
    frame: int
    seconds: float  # since the connection's first frame
    data: bytes | None = None  # None: not captured, or not to be shown
    lines: list[Line] = field(default_factory=list)


def steps_of(
    events: Sequence[seen.Event], streams: dict[Direction, bytes], began_ns: int
) -> list[Step]:
    """Put a transcript's events into steps.

    Args:
        events: Of one connection, in order.
        streams: What each side sent, up to its first gap; nothing of a connection whose beginning
            was not captured.
        began_ns: The time of its first frame.
    """
    steps: list[Step] = []
    places = {_D: 256, _C: 424}  # where the records begin
    for event in events:
        opens = _OPENERS.get(type(event))
        if opens is not None:
            step = opens(event)
            step.seconds = (event.time_ns - began_ns) / 1e9
            steps.append(step)
            if isinstance(event, seen.RecordSeen):
                start = places[event.direction]
                end = places[event.direction] = start + 2 + event.length
                data = streams.get(event.direction, b"")
                step.data = data[start:end] if event.whole and len(data) >= end else None
        elif steps and type(event) in _REMARKS:
            steps[-1].lines += _REMARKS[type(event)](event)
            _tell_message(steps[-1], event)
    for step in steps:
        if step.title == _RECORD:
            step.lines.append(("reading it", "takes the device's private key (--keys)"))
    return steps


def show_step(page: Page, number: int, count: int, step: Step) -> None:
    """One step."""
    page.blank()
    glyphs = page.glyphs
    to_cloud = glyphs.across + glyphs.to_cloud
    arrow = {_D: f"device {to_cloud} cloud", _C: f"device {glyphs.to_device}{glyphs.across} cloud"}
    way = arrow.get(step.direction, "") if step.direction else ""
    page.line((f"{number}/{count}  {step.title}", "bold"))
    page.line((f"{way}  +{step.seconds:.3f} s  frame {step.frame}".strip(), "dim"), indent=2)
    if step.data:
        _dump(page, step.data)
    for label, text in step.lines:
        page.field(label, text)


def _dump(page: Page, data: bytes) -> None:
    for at in range(0, min(len(data), _DUMPED), _ROW):
        row = data[at : at + _ROW]
        page.exact(page.text(f"    {at:04x}  {row.hex(' ')}"))
    if len(data) > _DUMPED:
        page.line((f"{page.glyphs.more} {len(data) - _DUMPED} bytes more", "dim"), indent=4)


_RECORD = "encrypted record"


def _nonce(event: seen.NonceReceived) -> Step:
    flaws = ", ".join(spaced(flaw) for flaw in event.flaws)
    what = event.looks_like or "no nonce"
    looks = f"like {what} ({flaws})" if event.flaws or event.looks_like else "like random bytes"
    return Step(
        "nonce, 40 bytes",
        _C,
        event.frame,
        0.0,
        event.nonce,
        [
            ("looks", looks),
            ("device knows", "the server's public key in its flash; it cannot check the nonce, and "
             "takes any 40 bytes"),
            ("cloud knows", "the nonce it drew; not yet who connects"),
        ],
    )  # fmt: skip


def _identity(event: seen.IdentitySent) -> Step:
    return Step(
        "identity, 256 bytes",
        _D,
        event.frame,
        0.0,
        event.blob,
        [
            ("came in", counted(event.pieces, "segment")),
            ("inside", "the nonce, the device's id of 12 bytes, and its public key (a Core leaves "
             "it out), encrypted to the server key the device holds"),
            ("cloud checks", "that it opens with its private key, that the nonce is the one it "
             "drew, that it knows the id, and that the key is the one on file"),
        ],
    )  # fmt: skip


def _identity_test(event: seen.IdentityTest) -> list[Line]:
    if event.state is seen.BlockState.OPENED:
        lines = [
            ("opens", f"with the cloud's key {event.key}: the nonce inside is the one sent"),
            ("device id", event.device_id or "unknown"),
        ]
        if event.device_key is not None:
            lines.append(("device's key", fingerprint_of(event.device_key)))
        return lines
    if not event.private:
        return [("cloud's key", f"{event.key}, public half: {spaced(event.state)}")]
    return [("does not open", f"with the cloud's key {event.key}: {spaced(event.state)}")]


def _credentials(event: seen.CredentialsReceived) -> Step:
    whole = event.ciphertext is not None and event.signature is not None
    return Step(
        "credentials, 384 bytes",
        _C,
        event.frame,
        0.0,
        (event.ciphertext or b"") + (event.signature or b"") if whole else None,
        [
            ("inside", "128 bytes for the device's key: 40 bytes of session key, IV and salt; 256 "
             "bytes of signature over their HMAC"),
            ("device checks", "that the first part opens with its private key, the second with the "
             "server key it holds, and that both agree"),
            ("cloud knows", "the session key it drew, and the device by its id"),
        ],
    )  # fmt: skip


def _signature_test(event: seen.SignatureTest) -> list[Line]:
    return [("signature", f"under {event.key}: {spaced(event.state)}")]


def _credentials_test(event: seen.CredentialsTest) -> list[Line]:
    told = f"with the device's key {event.key}: {spaced(event.state)}"
    if event.firmware_opens is False and event.state is seen.BlockState.OPENED:
        told += "; the firmware, which reads the key otherwise, does not open it"
    return [("session part", told)]


def _session_keys(event: seen.SessionKeys) -> list[Line]:
    sure = "the HMAC agrees" if event.proven else "the first records make sense with it"
    return [("both know", f"the session key from here on; {sure}. It is not shown.")]


def _record(event: seen.RecordSeen) -> Step:
    line = ("length", f"2 bytes of length, {event.length} of AES-128-CBC")
    return Step(_RECORD, event.direction, event.frame, 0.0, None, [line])


def _tell_message(step: Step, event: seen.Event) -> None:
    """A record that could be decrypted takes its message's name."""
    if isinstance(event, seen.Message):
        step.title = spaced(event.kind)


def _message(event: seen.Message) -> list[Line]:
    secret = _CLAIM in event.plaintext or event.truncated_head
    shown = event.plaintext[:_DUMPED].hex()
    more = " and more" if len(event.plaintext) > _DUMPED else ""
    told = [f"{spaced(name)} {value}" for name, value in event.details.items() if value is not None]
    return [
        ("says", event.summary),
        *([("fields", ", ".join(told))] if told else []),
        ("decrypted", "not shown" if secret else shown + more),
    ]


def _ended(event: seen.Ended) -> Step:
    how = {"fin": "closes", "rst": "resets the connection"}[event.kind]
    who = "the device's side" if event.direction is _D else "the cloud's side"
    return Step(f"{who} {how}", event.direction, event.frame, 0.0)


def _short(what: str, direction: Direction) -> Callable[[Any], Step]:
    def step(event: Any) -> Step:
        lines = [("came", counted(event.received, "byte"))]
        return Step(f"{what}, not whole", direction, event.frame, 0.0, None, lines)

    return step


_OPENERS: dict[type[seen.Event], Callable[[Any], Step]] = {
    seen.NonceReceived: _nonce,
    seen.NonceShort: _short("nonce", _C),
    seen.IdentitySent: _identity,
    seen.IdentityShort: _short("identity", _D),
    seen.CredentialsReceived: _credentials,
    seen.CredentialsShort: _short("credentials", _C),
    seen.RecordSeen: _record,
    seen.Ended: _ended,
}
_REMARKS: dict[type[seen.Event], Callable[[Any], list[Line]]] = {
    seen.SurplusAfterNonce: lambda event: [("too much", f"{event.received} bytes behind the 40")],
    seen.IdentityTest: _identity_test,
    seen.SignatureTest: _signature_test,
    seen.CredentialsTest: _credentials_test,
    seen.CredentialsOddSize: lambda event: [("odd size", f"{event.received} bytes in all")],
    seen.SessionKeys: _session_keys,
    seen.Message: _message,
    seen.RecordBad: lambda event: [("does not decrypt", spaced(event.problem))],
    seen.FramingLost: lambda event: [("framing lost", spaced(event.problem))],
    seen.FramingFound: lambda _event: [("framing found", "again")],
}
