from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import vectors
from handshake_probe.errors import LocalProtocolError
from handshake_probe.keys.der import SEQUENCE, encode, encode_integer
from handshake_probe.keys.firmware import read_server_modulus
from handshake_probe.packets.units import Direction
from handshake_probe.protocol import events as ev
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.layouts import split_session
from handshake_probe.protocol.played_events import (
    Closed,
    CloseReason,
    FunctionCalled,
    HandshakeComplete,
)
from handshake_probe.protocol.requests import Limits
from handshake_probe.protocol.seal import Seal, frame_record
from handshake_probe.protocol.settings import Generation, HeldKey, Manner
from handshake_probe.protocol.state import LEGAL, Action, Phase, Role, is_legal
from played import (
    GENERATIONS,
    MANNERS,
    NOW,
    SPKI,
    Pair,
    cloud,
    cloud_settings,
    device,
    device_settings,
    names,
    of,
    said,
    scripted,
)

DEVICE, CLOUD = vectors.DEVICE, vectors.CLOUD
TRUTH: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "captures" / "truth.json").read_text()
)


def vector_device(entropy: bytes = b"\xa5" * 39 + b"\x9a", **changes: Any) -> Connection:
    settings = device_settings(generation=Generation.V2_3, product_version=0x0102, announces=False)
    return Connection(Role.DEVICE, replace(settings, **changes), entropy=scripted(entropy))


def test_the_vectors_byte_for_byte() -> None:
    """Both sides make every byte of the description's example, given its random bytes."""
    one = vector_device()
    entropy = vectors.NONCE + vectors.SESSION + b"\x5a" * 85 + b"\x04\x55"
    settings = cloud_settings(manner=Manner.TRUSTS_REGISTER)
    other = Connection(Role.CLOUD, settings, entropy=scripted(entropy))
    pair = Pair(one, other, now=float(0x65000000)).start()
    pair.settle()
    for step in (
        lambda c: c.publish(pair.now, "spark/device/claim/code", b"A" * 63),
        lambda c: c.request_time(pair.now),
        lambda c: c.ping(pair.now),
    ):
        pair.act(Role.DEVICE, step)
    credentials = vectors.CIPHERTEXT + vectors.SIGNATURE
    handshake = [(CLOUD, vectors.NONCE), (DEVICE, vectors.IDENTITY_LONG), (CLOUD, credentials)]
    assert pair.sent[:3] == handshake
    frames = [(direction, bytes.fromhex(frame)) for direction, _, frame in vectors.FRAMES]
    assert pair.sent[3:6] == frames[:3]
    sent_by_device = [data for direction, data in pair.sent[3:] if direction is DEVICE]
    assert sent_by_device == [frame for direction, frame in frames if direction is DEVICE]
    # This server acknowledges in its own form: a token in empty messages, and unasked.
    assert said(pair.events[Role.DEVICE], CLOUD)[1:] == [
        bytes.fromhex(plain) for plain in ("6100123600", "614512379bff65000000", "6100123800")
    ]


def test_a_cloud_makes_its_frames_of_the_vectors() -> None:
    """The example's cloud leaves an event unanswered that real ones acknowledge: say its words."""
    entropy = vectors.NONCE + vectors.SESSION + b"\x5a" * 85 + b"\x04\x55"
    settings = cloud_settings(hello_token=b"\1", describes=())
    other = Connection(Role.CLOUD, settings, entropy=scripted(entropy))
    other.start(NOW)
    other.receive_data(vectors.IDENTITY_LONG, NOW)
    assert other.data_to_send() == vectors.NONCE + vectors.CIPHERTEXT + vectors.SIGNATURE
    other.receive_data(bytes.fromhex(vectors.FRAMES[0][2]), NOW)
    frames = [(plain, frame) for direction, plain, frame in vectors.FRAMES if direction is CLOUD]
    assert other.data_to_send().hex() == frames[0][1]
    for plaintext, frame in frames[1:]:
        other.send(NOW, bytes.fromhex(plaintext))
        assert other.data_to_send().hex() == frame


@pytest.mark.parametrize(
    ("generation", "spki", "identity"),
    [
        (Generation.CORE, 201, vectors.IDENTITY_SHORT),
        (Generation.V1_0, 39, vectors.IDENTITY_LONG),
    ],
)
def test_both_forms_of_the_identity(generation: Generation, spki: int, identity: bytes) -> None:
    side = vector_device(b"\xa5" * spki, generation=generation)
    side.start(NOW)
    events = side.receive_data(vectors.NONCE, NOW)
    assert side.data_to_send() == identity
    assert names(events) == ["nonce_received", "identity_sent"]


def test_the_hello_of_version_3() -> None:
    side = vector_device(generation=Generation.V3_3, limits=Limits(0x0CE5, 960, 0x1E000, 512))
    side.start(NOW)
    side.receive_data(vectors.NONCE, NOW)
    side.data_to_send()
    events = side.receive_data(vectors.CIPHERTEXT + vectors.SIGNATURE, NOW)
    assert side.data_to_send() == vectors.HELLO_30_FRAME
    assert said(events) == [vectors.HELLO_30]


def test_classic_firmware_numbers_from_the_other_end() -> None:
    """The session of Device OS's own unit tests: the frame is theirs."""

    class Fixture(Seal):
        def session(self, entropy: object) -> bytes:
            return vectors.FIXTURE_SESSION

    pair = Pair(device(generation=Generation.CORE), cloud(Fixture(), manner=MANNERS[1])).start()
    pair.settle()
    first = next(data for d, data in pair.sent[3:] if d is DEVICE)
    assert first == vectors.FIXTURE_FRAME
    assert said(pair.events[Role.CLOUD], DEVICE)[0] == vectors.FIXTURE_PLAINTEXT


# What the lab's real devices were set up with. None of them knew the Describe tables by heart, so
# what they posted is taken from the recording itself.
REAL = {
    "healthy-brewskey-device-os-1.0.0.pcap": (Generation.V1_0, Manner.COMPARES, (None,)),
    "healthy-original-server-device-os-1.0.0.pcapng": (
        Generation.V1_0,
        Manner.TRUSTS_REGISTER,
        None,
    ),
    "healthy-brewskey-device-os-2.3.1.pcap": (Generation.V2_3, Manner.COMPARES, (None,)),
    "unclaimed-claim-code-never-confirmed.pcap": (Generation.V2_3, Manner.COMPARES, (None,)),
    "healthy-brewskey-device-os-3.3.1.pcap": (Generation.V3_3, Manner.COMPARES, (1, 2)),
    "server-fault-describe-refused.pcap": (Generation.V3_3, Manner.COMPARES, (None,)),
    "healthy-original-server-device-os-3.3.1.pcapng": (
        Generation.V3_3,
        Manner.TRUSTS_REGISTER,
        None,
    ),
    "healthy-safe-mode.pcap": (Generation.V3_3, Manner.COMPARES, (1, 2)),
}


@pytest.mark.parametrize("file", REAL)
def test_sessions_open_as_real_ones_did(file: str) -> None:
    """Against recordings of real firmware and real servers: the same messages, byte for byte.

    The order within one direction is compared, up to the last message of the opening.
    """
    generation, manner, describes = REAL[file]
    recorded = next(entry for entry in TRUTH if entry["file"] == file)["devices"][0]["sessions"][0]
    session = bytes.fromhex(recorded["session"])
    coap = [(who, bytes.fromhex(text)) for who, text in recorded["coap"]]
    real = {DEVICE: [m for w, m in coap if w == "d"], CLOUD: [m for w, m in coap if w == "s"]}
    posts = [m[m.index(b"\xff{") + 1 :] for m in real[DEVICE] if b"\xb1d\x41" in m[:8]]
    claims = [m[-63:] for m in real[DEVICE] if b"/claim/code" in m]
    time = next(m for m in real[CLOUD] if m[:2] == b"\x61\x45")
    if not posts:
        posts = [b'{"p":3,"m":[]}', b'{"f":["led"],"v":{"counter":2,"temperature":9}}']

    class Recorded(Seal):
        def session(self, entropy: object) -> bytes:
            return session

    token = next(m[4] for m in real[DEVICE] if m[:2] == b"\x41\x01")
    first_tokens = 2 if generation is Generation.V3_3 else 1
    one = Connection(
        Role.DEVICE,
        device_settings(
            generation=generation,
            platform_id=3,
            system_description=posts[0],
            application_description=posts[1],
            claim_code=claims[0] if claims else b"",
            safe_mode="safe-mode" in file,
            subscriptions=() if "safe-mode" in file else ("truth/down",),
        ),
        entropy=scripted(b"\x77" * 39 + bytes((token - first_tokens,))),
    )
    first = int.from_bytes(real[CLOUD][0][2:4], "big") - 1
    other = Connection(
        Role.CLOUD,
        cloud_settings(manner=manner, describes=describes),
        entropy=scripted(vectors.NONCE + b"\x77" * 85 + first.to_bytes(2, "big")),
        seal=Recorded(),
    )
    pair = Pair(one, other, now=float(int.from_bytes(time[-4:], "big"))).start().settle()
    got = {d: said(pair.events[Role.CLOUD], d) for d in Direction}
    assert len(got[DEVICE]) >= 5
    opening = [m for m in got[DEVICE] if m[0] & 0x30 != 0x20 and m[1] != 0x45]
    assert (
        opening == [m for m in real[DEVICE] if m[0] & 0x30 != 0x20 and m[1] != 0x45][: len(opening)]
    )
    # A real server's requests come some milliseconds after its Hello, so only their order differs.
    assert sorted(got[CLOUD]) == sorted(real[CLOUD][: len(got[CLOUD])])


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_session_of_every_kind(generation: Generation, manner: Manner) -> None:
    pair = Pair(device(generation=generation), cloud(manner=manner, describes=(1, 2))).start()
    pair.settle()
    told = pair.events
    if generation is Generation.CORE and manner is Manner.COMPARES:
        [violation] = of(told[Role.CLOUD], ev.Event)[-2:-1]
        assert (violation.name, violation.seen) == ("peer_violation", "no_key")
        return
    for role in Role:
        assert names(told[role])[:2] == ["nonce_received", "identity_sent"]
        assert of(told[role], HandshakeComplete)[0].device_id == vectors.DEVICE_ID.hex()
        assert pair.side(role).phase is Phase.SESSION
    sessions = [of(told[role], ev.SessionKeys)[0] for role in Role]
    assert sessions[0] == sessions[1]
    pair.act(Role.DEVICE, lambda c: c.publish(pair.now, "truth/temp", b"n=1", acknowledged=True))
    pair.act(Role.CLOUD, lambda c: c.publish(pair.now, "truth/down", b"x" * 40, acknowledged=True))
    pair.act(Role.CLOUD, lambda c: c.request_variable(pair.now, "counter"))
    pair.act(Role.CLOUD, lambda c: c.request_variable(pair.now, "nothing"))
    pair.act(Role.CLOUD, lambda c: c.call_function(pair.now, "nothing"))
    pair.act(Role.CLOUD, lambda c: c.call_function(pair.now, "led", b"on"))
    pair.act(Role.CLOUD, lambda c: c.signal(pair.now, on=True))
    pair.act(Role.CLOUD, lambda c: c.ping(pair.now))
    pair.act(Role.DEVICE, lambda c: c.ping(pair.now))
    [call] = of(told[Role.DEVICE], FunctionCalled)
    assert (call.function, call.argument) == ("led", b"on")
    pair.act(Role.DEVICE, lambda c: c.answer_function(pair.now, call.token, -5))
    kinds = [event.kind for event in of(told[Role.CLOUD], ev.Message)]
    assert kinds.count("describe") == 2
    for kind in ("hello", "time", "function_return", "variable_value", "signal", "refusal"):
        assert kind in kinds, kind
    assert kinds.count("refusal") >= 2
    [value] = [e for e in of(told[Role.CLOUD], ev.Message) if e.kind == "function_return"]
    assert value.details["value"] == -5
    # Both ends tell of the same messages, each direction in the same order.
    for direction in Direction:
        assert said(told[Role.DEVICE], direction) == said(told[Role.CLOUD], direction)
    assert "malformed" not in kinds
    assert "unknown" not in kinds
    assert of(told[Role.CLOUD], Closed) == []


def test_a_claim_code_is_said_until_the_cloud_speaks_of_claiming() -> None:
    pair = Pair(device(claim_code=b"C" * 63)).start().settle()
    assert any(e.kind == "claim_code" for e in of(pair.events[Role.CLOUD], ev.Message))
    assert pair.device.claim_code == b"C" * 63
    pair.act(Role.CLOUD, lambda c: c.publish(pair.now, "spark/device/claim/done"))
    assert pair.device.claim_code == b""
    assert pair.cloud.claim_code == b""


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_opening_tells_what_is_wrong(generation: Generation) -> None:
    one = device(generation=generation, safe_mode=True, key_errors=5)
    pair = Pair(one, cloud(manner=Manner.TRUSTS_REGISTER)).start().settle()
    messages = {e.kind: e for e in of(pair.events[Role.CLOUD], ev.Message)}
    assert messages["key_error"].details["errors"] == "server_key_blank,server_address_blank"
    bare = generation is not Generation.V3_3
    assert messages["safe_mode"].plaintext.endswith(b"safemode" + b"\xff" * bare)


def test_version_3_3_describes_itself_in_broken_json() -> None:
    pair = Pair(device(), cloud(describes=(3, 0))).start().settle()
    answers = [e for e in of(pair.events[Role.CLOUD], ev.Message) if e.kind == "describe"]
    assert b'{"counter":2}"p":6' in answers[0].plaintext
    assert len(answers) == 1


def test_a_describe_request_without_query_ends_version_3_3() -> None:
    pair = Pair().start().settle()
    assert said(pair.events[Role.CLOUD], DEVICE)[-1][:2] == b"\x61\x80"
    pair.pass_time(15.0)
    [closed] = of(pair.events[Role.CLOUD], Closed)
    assert closed.reason is CloseReason.TIMED_OUT


def test_goodbye_half_closes() -> None:
    pair = Pair(cloud=cloud(describes=(1,))).start().settle()
    assert not pair.device.sends_nothing_more
    pair.act(Role.DEVICE, lambda c: c.goodbye(pair.now))
    assert said(pair.events[Role.CLOUD], DEVICE)[-1].endswith(b"\xb1\x78\xd0\xea\xff\x01\x02")
    assert (pair.device.phase, pair.device.sends_nothing_more) == (Phase.CLOSING, True)
    assert pair.device.receive_data(b"late bytes", pair.now) == []
    for side in (pair.cloud, pair.device):
        events = side.receive_eof(pair.now)
        assert names(events) == ["ended", "closed"]
        assert side.phase is Phase.CLOSED
    assert of(events, Closed)[0].reason is CloseReason.GOODBYE
    assert pair.device.receive_eof(pair.now) == []


def test_nobody_closes_after_a_goodbye() -> None:
    pair = Pair(cloud=cloud(describes=(1,))).start().settle()
    pair.device.goodbye(pair.now, 6)
    assert pair.device.timer() == pair.now + 5
    [closed] = pair.device.handle_timer(pair.now + 5)
    assert isinstance(closed, Closed)
    assert closed.reason is CloseReason.GOODBYE


def test_the_same_inputs_make_the_same_bytes() -> None:
    runs = []
    for _ in range(2):
        pair = Pair(cloud=cloud(describes=(1, 2))).start().settle()
        pair.pass_time(60)
        runs.append((pair.sent, pair.events))
    assert runs[0] == runs[1]


ARGUMENTS: dict[Action, Callable[[Connection], object]] = {
    Action.START: lambda c: c.start(NOW),
    Action.SEND: lambda c: c.send(NOW, b"\x40\0\0\1"),
    Action.PING: lambda c: c.ping(NOW),
    Action.PUBLISH: lambda c: c.publish(NOW, "a"),
    Action.SUBSCRIBE: lambda c: c.subscribe(NOW, "a"),
    Action.REQUEST_TIME: lambda c: c.request_time(NOW),
    Action.ANSWER_FUNCTION: lambda c: c.answer_function(NOW, b"\x09", 1),
    Action.GOODBYE: lambda c: c.goodbye(NOW),
    Action.CALL_FUNCTION: lambda c: c.call_function(NOW, "a"),
    Action.REQUEST_VARIABLE: lambda c: c.request_variable(NOW, "a"),
    Action.DESCRIBE: lambda c: c.describe(NOW),
    Action.SIGNAL: lambda c: c.signal(NOW, on=True),
    Action.CLOSE: lambda c: c.close(NOW),
}


def in_phase(role: Role, phase: Phase) -> Connection:
    """A side that has come as far as `phase`."""
    pair = Pair(cloud=cloud(describes=(1,)))
    side = pair.side(role)
    if phase is Phase.IDLE:
        return side
    pair.start()
    if phase is Phase.HANDSHAKE:
        return side
    pair.carry(Role.CLOUD)
    pair.carry(Role.DEVICE)
    if role is Role.DEVICE or phase is not Phase.HELLO:
        pair.carry(Role.CLOUD)
    if phase is Phase.HELLO:
        return side
    pair.settle()
    if role is Role.DEVICE and phase is Phase.CLOSING:
        side.goodbye(NOW)
    if phase is Phase.CLOSED:
        side.close(NOW)
    side.data_to_send()
    return side


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize(
    ("role", "phase"),
    [
        (role, phase)
        for role in Role
        for phase in Phase
        if (role, phase) != (Role.CLOUD, Phase.CLOSING)  # a cloud just closes
    ],
)
def test_every_action_is_legal_or_our_fault(role: Role, phase: Phase, action: Action) -> None:
    side = in_phase(role, phase)
    assert side.phase is phase
    side.data_to_send()
    if action is Action.ANSWER_FUNCTION or not is_legal(role, phase, action):
        with pytest.raises(LocalProtocolError):
            ARGUMENTS[action](side)
        assert (side.phase, side.data_to_send()) == (phase, b"")
    else:
        assert isinstance(ARGUMENTS[action](side), list)
        assert side.phase is not Phase.IDLE


def test_the_table_names_every_action() -> None:
    assert {action for actions in LEGAL.values() for action in actions} == set(Action)
    assert set(ARGUMENTS) == set(Action)


@pytest.mark.parametrize("role", Role)
def test_nothing_arrives_before_the_start(role: Role) -> None:
    side = in_phase(role, Phase.IDLE)
    with pytest.raises(LocalProtocolError, match="before start"):
        side.receive_data(b"", NOW)
    with pytest.raises(LocalProtocolError, match="before start"):
        side.receive_eof(NOW)
    assert side.handle_timer(NOW) == []
    assert side.timer() is None


@pytest.mark.parametrize(
    "mistake",
    [
        lambda c: c.publish(NOW, "a", bytes(2000)),
        lambda c: c.publish(NOW, "a", ttl=1 << 24),
        lambda c: c.publish(NOW, "a", ttl=-1),
        lambda c: c.goodbye(NOW, 0),
        lambda c: c.goodbye(NOW, 128),
        lambda c: c.answer_function(NOW, b"\x07", 1),
        lambda c: c.send(NOW, bytes(70_000)),
    ],
)
def test_a_mistake_changes_nothing(mistake: Callable[[Connection], object]) -> None:
    side, twin = in_phase(Role.DEVICE, Phase.SESSION), in_phase(Role.DEVICE, Phase.SESSION)
    with pytest.raises(LocalProtocolError):
        mistake(side)
    assert side.publish(NOW, "next") == twin.publish(NOW, "next")
    assert side.data_to_send() == twin.data_to_send()


def test_an_open_call_is_answered_once_and_in_range() -> None:
    pair = Pair(cloud=cloud(describes=(1,))).start().settle()
    pair.act(Role.CLOUD, lambda c: c.call_function(pair.now, "led"))
    [call] = of(pair.events[Role.DEVICE], FunctionCalled)
    with pytest.raises(LocalProtocolError, match="32 bits"):
        pair.device.answer_function(pair.now, call.token, 1 << 31)
    pair.device.answer_function(pair.now, call.token, (1 << 31) - 1)
    with pytest.raises(LocalProtocolError, match="no function call"):
        pair.device.answer_function(pair.now, call.token, 1)


@pytest.mark.parametrize("generation", [Generation.CORE, Generation.V1_0])
def test_old_firmware_says_no_goodbye(generation: Generation) -> None:
    one = device(generation=generation)
    pair = Pair(one, cloud(manner=Manner.TRUSTS_REGISTER)).start().settle()
    with pytest.raises(LocalProtocolError, match="no goodbye"):
        pair.device.goodbye(pair.now)
    assert pair.device.phase is Phase.SESSION


@pytest.mark.parametrize(
    "changes",
    [
        {"device_id": "00"},
        {"device_id": "E00FCE68A1B2C3D4E5F60718"},
        {"device_id": "zz" * 12},
        {"key": HeldKey(vectors.DEVICE_NUMBERS, SPKI[1:])},
        {"claim_code": b"short"},
        {"system_description": bytes(900)},
        {"variables": {"a": bytes(930)}},
        {"product_id": 1 << 16},
        {"flags": -1},
    ],
)
def test_settings_of_a_device_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError):
        device_settings(**changes)


def test_settings_of_a_cloud_that_cannot_be() -> None:
    with pytest.raises(LocalProtocolError, match="private half"):
        cloud_settings(key=vectors.cloud_key(public_only=True))
    with pytest.raises(LocalProtocolError, match="no settings of a cloud"):
        Connection(Role.CLOUD, device_settings(), entropy=bytes)
    with pytest.raises(LocalProtocolError, match="no settings of a device"):
        Connection(Role.DEVICE, cloud_settings(), entropy=bytes)


def test_keys_as_the_flash_holds_them() -> None:
    """A slot that openssl would call damaged: what the firmware reads of it is what counts."""
    integers = b"".join(encode_integer(value) for value in (0, *vectors.DEVICE_NUMBERS))
    slot = encode(SEQUENCE, integers).ljust(612, b"\xff")
    assert HeldKey.from_slot(slot) == HeldKey(vectors.DEVICE_NUMBERS, SPKI)
    assert HeldKey.from_key(vectors.device_key()) == HeldKey.from_slot(slot)
    damaged = bytearray(slot)
    damaged[300] ^= 1  # in a prime
    server = bytes(33) + vectors.CLOUD_NUMBERS.n.to_bytes(256, "big")
    one = device(key=HeldKey.from_slot(bytes(damaged)), server_modulus=read_server_modulus(server))
    pair = Pair(one).start().settle()
    [closed] = of(pair.events[Role.DEVICE], Closed)
    assert (closed.reason, closed.error) == (CloseReason.VIOLATION, 6)


def test_a_record_made_by_hand_is_read() -> None:
    """The device does not look at the padding, only at its last byte."""
    pair = Pair(cloud=cloud(describes=())).start().settle()
    [keys] = of(pair.events[Role.DEVICE], ev.SessionKeys)
    session = split_session(keys.session)
    block = b"\x40\0\x77\x77" + bytes(11) + b"\x0c"
    records = b"".join(data for d, data in pair.sent[3:] if d is CLOUD)
    at, iv = 0, session.iv
    while at < len(records):
        iv = records[at + 2 : at + 18]
        at += 2 + int.from_bytes(records[at : at + 2], "big")
    aes = Cipher(algorithms.AES(session.key), modes.CBC(iv)).encryptor()
    events = pair.device.receive_data(frame_record(aes.update(block)), pair.now)
    assert [event.name for event in events] == ["record_bad", "message", "message"]
    assert said(events) == [b"\x40\0\x77\x77", b"\x60\0\x77\x77"]
