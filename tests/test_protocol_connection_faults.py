"""What a played side makes of a peer that does wrong, falls silent or goes away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vectors
from handshake_probe.errors import LocalProtocolError
from handshake_probe.keys.keyring import RegisteredKey
from handshake_probe.protocol import events as ev
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.device_errors import DeviceError
from handshake_probe.protocol.layouts import split_session
from handshake_probe.protocol.played_events import (
    Closed,
    CloseReason,
    HandshakeComplete,
    PeerViolation,
    TimedOut,
)
from handshake_probe.protocol.seal import encrypt_record, frame_record
from handshake_probe.protocol.settings import Generation, Manner, Patience
from handshake_probe.protocol.state import Phase, Role
from played import GENERATIONS, NOW, Pair, cloud, device, names, of, said

CREDENTIALS = vectors.CIPHERTEXT + vectors.SIGNATURE
LIGHT = (Generation.V1_0, Generation.V2_3, Generation.V3_3)


def session_pair(generation: Generation = Generation.V3_3, **changes: Any) -> Pair:
    """A session with nothing left to say; the cloud takes every identity."""
    values = {"manner": Manner.TRUSTS_REGISTER, "describes": ()} | changes
    pair = Pair(device(generation=generation), cloud(**values)).start().settle()
    assert pair.device.phase is pair.cloud.phase is Phase.SESSION
    return pair


def endings(events: list[ev.Event]) -> list[tuple[object, ...]]:
    """Violations, time-outs and ends, as short as possible."""
    out: list[tuple[object, ...]] = []
    for event in events:
        if isinstance(event, PeerViolation):
            out.append(("violation", event.step, event.seen, event.error))
        elif isinstance(event, TimedOut):
            out.append(("timed_out", event.timer, event.error))
        elif isinstance(event, Closed):
            out.append(("closed", event.reason, event.error))
    return out


# --- a device


@pytest.mark.parametrize(
    ("received", "wait", "short", "error"),
    [
        (b"", 20, "nonce_short", DeviceError.LIGHTSSL_HANDSHAKE_NONCE),
        (b"HTTP/1.1 302 Found\r\n", 20, "nonce_short", DeviceError.LIGHTSSL_HANDSHAKE_NONCE),
        (vectors.NONCE, 20, None, DeviceError.LIGHTSSL_HANDSHAKE_RECV_KEY),
        (
            vectors.NONCE + bytes(383),
            20,
            "credentials_short",
            DeviceError.LIGHTSSL_HANDSHAKE_RECV_KEY,
        ),
    ],
)
def test_a_device_waits_twenty_seconds(
    received: bytes, wait: float, short: str | None, error: DeviceError
) -> None:
    for ends in (False, True):
        side = device()
        side.start(NOW)
        side.receive_data(received, NOW)
        if ends:
            events = side.receive_eof(NOW + 1, reset=True)
            assert endings(events) == [("closed", CloseReason.PEER_ENDED, error)]
            assert of(events, ev.Ended)[0].kind == "rst"
        else:
            assert side.timer() == NOW + wait
            assert side.handle_timer(NOW + wait - 0.001) == []
            events = side.handle_timer(NOW + wait)
            assert endings(events)[-1] == ("closed", CloseReason.TIMED_OUT, error)
            assert of(events, TimedOut)[0].error is error
        assert (names(events)[0] == short) is (short is not None)
        assert (side.phase, side.timer(), side.sends_nothing_more) == (Phase.CLOSED, None, True)


@pytest.mark.parametrize(
    ("generation", "wait"), [(Generation.CORE, 2.0), *((light, 4.0) for light in LIGHT)]
)
def test_a_device_waits_for_the_hello(generation: Generation, wait: float) -> None:
    side = device(generation=generation)
    side.start(NOW)
    side.receive_data(vectors.NONCE, NOW)
    side.receive_data(CREDENTIALS, NOW + 1)
    assert side.timer() == NOW + 1 + wait
    events = side.handle_timer(NOW + 1 + wait)
    error = DeviceError.MESSAGE_TIMEOUT
    assert endings(events) == [
        ("timed_out", "hello", error),
        ("closed", CloseReason.TIMED_OUT, error),
    ]


def test_a_device_pings_after_silence_and_gives_up() -> None:
    pair = session_pair()
    pings = []
    start = pair.now
    for _ in range(3):
        due = pair.device.timer()
        assert due is not None
        pings.append(due - start)
        pair.pass_time(due - pair.now)
    assert pings == [15, 30, 45]
    assert said(pair.events[Role.CLOUD], vectors.DEVICE)[-1][:2] == b"\x40\0"
    pair.device.handle_timer(start + 60)
    assert pair.device.timer() == start + 70
    events = pair.device.handle_timer(start + 70)
    assert endings(events)[-1] == ("closed", CloseReason.TIMED_OUT, DeviceError.PING_TIMEOUT)


def test_any_message_answers_a_ping_and_garbage_does_not() -> None:
    pair = session_pair()
    pair.device.ping(NOW + 1)
    pair.cloud.publish(NOW + 2, "truth/down")
    pair.device.receive_data(pair.cloud.data_to_send(), NOW + 2)
    assert pair.device.timer() == NOW + 2 + 15
    pair.device.ping(NOW + 3)
    pair.device.receive_data(b"\0\x10" + bytes(16), NOW + 4)
    assert pair.device.timer() == NOW + 3 + 10


def test_a_record_that_stops_half_way_blocks_the_device() -> None:
    pair = session_pair()
    pair.cloud.publish(NOW, "truth/down")
    record = pair.cloud.data_to_send()
    pair.device.receive_data(record[:5], NOW + 10)
    assert pair.device.timer() == NOW + 30
    pair.device.receive_data(record[5:9], NOW + 20)
    assert pair.device.timer() == NOW + 30
    assert names(pair.device.handle_timer(NOW + 29)) == []
    events = pair.device.handle_timer(NOW + 30)
    error = DeviceError.LIGHTSSL_BLOCKING_RECEIVE
    assert endings(events) == [
        ("timed_out", "record_body", error),
        ("closed", CloseReason.TIMED_OUT, error),
    ]


@pytest.mark.parametrize(
    ("half", "error"),
    [(b"", DeviceError.LIGHTSSL_RECEIVE), (b"\0\x10", DeviceError.LIGHTSSL_BLOCKING_RECEIVE)],
)
def test_a_session_that_ends(half: bytes, error: DeviceError) -> None:
    pair = session_pair()
    pair.device.receive_data(half, NOW)
    events = pair.device.receive_eof(NOW)
    assert endings(events) == [("closed", CloseReason.PEER_ENDED, error)]


@pytest.mark.parametrize(
    ("change", "seen", "error"),
    [
        (lambda c: b"\xff" * 128 + c[128:], "not_below_modulus", DeviceError.DECRYPTION_ERROR),
        (lambda c: bytes(127) + b"\1" + c[128:], "padding_bad", DeviceError.DECRYPTION_ERROR),
        (lambda c: c[:128] + b"\xff" * 256, "not_below_modulus", DeviceError.AUTHENTICATION_ERROR),
        (lambda c: c[:128] + bytes(256), "padding_bad", DeviceError.AUTHENTICATION_ERROR),
    ],
)
def test_credentials_a_device_refuses(
    change: Callable[[bytes], bytes], seen: str, error: DeviceError
) -> None:
    side = device()
    side.start(NOW)
    side.receive_data(vectors.NONCE, NOW)
    side.data_to_send()
    events = side.receive_data(change(CREDENTIALS), NOW)
    assert endings(events) == [
        ("violation", "credentials", seen, error),
        ("closed", CloseReason.VIOLATION, error),
    ]
    assert side.data_to_send() == b""
    assert of(events, ev.SessionKeys) == []


def test_a_server_key_that_cannot_encrypt() -> None:
    side = device(server_modulus=vectors.CLOUD_NUMBERS.n - 1)
    side.start(NOW)
    events = side.receive_data(vectors.NONCE, NOW)
    assert endings(events) == [("closed", CloseReason.KEY_UNUSABLE, DeviceError.ENCRYPTION_ERROR)]
    assert side.data_to_send() == b""


def speak(pair: Pair, plaintext: bytes) -> list[ev.Event]:
    """Let the cloud say something, and return what the device makes of it."""
    pair.cloud.send(pair.now, plaintext)
    return pair.device.receive_data(pair.cloud.data_to_send(), pair.now)


@pytest.mark.parametrize(
    "plaintext",
    [b"\xff\xff\xff\xff", b"", b"\x41\x02\0\1\1\xb1q", b"\x70\0\0\1", b"\x50\0\0\1"],
)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_what_cannot_be_classified(generation: Generation, plaintext: bytes) -> None:
    pair = session_pair(generation)
    events = speak(pair, plaintext)
    if generation is Generation.CORE:
        error = DeviceError.MALFORMED_MESSAGE
        assert endings(events)[-1] == ("closed", CloseReason.VIOLATION, error)
    else:
        assert endings(events) == []
        assert pair.device.data_to_send() == b""
        assert said(speak(pair, b"\x40\0\0\2"), vectors.DEVICE) == [b"\x60\0\0\2"]


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("request_", [b"\x40\x02\0\1\xb1f\x03led", b"\x40\x01\0\1\xb1v\x07counter"])
def test_a_request_without_token(generation: Generation, request_: bytes) -> None:
    events = speak(session_pair(generation), request_)
    if generation in (Generation.V2_3, Generation.V3_3):
        error = DeviceError.MISSING_REQUEST_TOKEN
        assert endings(events)[-1] == ("closed", CloseReason.VIOLATION, error)
    else:
        assert endings(events) == []


@pytest.mark.parametrize(
    ("generation", "longest"),
    [(Generation.CORE, 640), (Generation.V1_0, 768), (Generation.V3_3, 928)],
)
def test_a_record_longer_than_the_buffer(generation: Generation, longest: int) -> None:
    pair = session_pair(generation)
    assert endings(pair.device.receive_data(longest.to_bytes(2, "big"), NOW)) == []
    pair = session_pair(generation)
    events = pair.device.receive_data((longest + 16).to_bytes(2, "big"), NOW)
    error = DeviceError.INSUFFICIENT_STORAGE
    assert endings(events) == [
        ("violation", "records", str(longest + 16), error),
        ("closed", CloseReason.VIOLATION, error),
    ]


@pytest.mark.parametrize("record", [b"\0\0", b"\0\x07" + bytes(7)])
def test_lengths_that_are_none(record: bytes) -> None:
    pair = session_pair()
    events = pair.device.receive_data(record, NOW)
    assert of(events, ev.RecordBad)
    assert pair.device.phase is Phase.SESSION
    pair.cloud.ping(NOW)
    assert of(pair.device.receive_data(pair.cloud.data_to_send(), NOW), ev.RecordBad)


def test_a_device_refuses_updates_and_answers_key_change() -> None:
    for generation, code in ((Generation.V1_0, 0x80), (Generation.V3_3, 0xA3)):
        pair = session_pair(generation)
        update = b"\x41\x02\0\1\1\xb1u\xff" + bytes(12)
        assert said(speak(pair, update), vectors.DEVICE) == [bytes((0x61, code, 0, 1, 1))]
        assert said(speak(pair, b"\x40\x03\0\2\xb1k"), vectors.DEVICE) == [b"\x60\0\0\2"]


# --- a cloud


@pytest.mark.parametrize(
    ("changes", "manner", "seen"),
    [
        ({"server_modulus": vectors.CLOUD_NUMBERS.n - 2}, Manner.COMPARES, "padding_bad"),
        ({"device_id": "00" * 12}, Manner.COMPARES, "unknown_device"),
        ({"device_id": "00" * 12}, Manner.TRUSTS_REGISTER, "unknown_device"),
        ({"generation": Generation.CORE}, Manner.COMPARES, "no_key"),
    ],
)
def test_identities_a_cloud_refuses(changes: dict[str, Any], manner: Manner, seen: str) -> None:
    pair = Pair(device(**changes), cloud(manner=manner)).start().settle()
    assert endings(pair.events[Role.CLOUD]) == [
        ("violation", "identity", seen, None),
        ("closed", CloseReason.VIOLATION, None),
    ]
    assert len(pair.sent) == 2


def test_a_cloud_with_another_key_on_file() -> None:
    """One server refuses the key that is sent; the other encrypts to the one it has."""
    n = vectors.DEVICE_NUMBERS.n - 2
    other = RegisteredKey("sha256:other", "file", None, n, 65537)
    register = {vectors.DEVICE_ID.hex(): other}.get
    pair = Pair(cloud=cloud(register=register)).start().settle()
    assert endings(pair.events[Role.CLOUD])[0] == ("violation", "identity", "another_key", None)
    pair = Pair(cloud=cloud(register=register, manner=Manner.TRUSTS_REGISTER)).start().settle()
    [violation, _] = endings(pair.events[Role.DEVICE])
    assert violation[3] is DeviceError.DECRYPTION_ERROR


def test_a_register_whose_key_is_no_key_is_our_fault() -> None:
    register = {vectors.DEVICE_ID.hex(): RegisteredKey("x", "x", None, 0, 65537)}.get
    pair = Pair(cloud=cloud(register=register, manner=Manner.TRUSTS_REGISTER)).start()
    with pytest.raises(LocalProtocolError):
        pair.settle()


def test_a_2048_bit_key_on_file_makes_credentials_too_long() -> None:
    numbers = vectors.CLOUD_NUMBERS
    register = {vectors.DEVICE_ID.hex(): RegisteredKey("x", "x", None, numbers.n, 65537)}.get
    pair = Pair(cloud=cloud(register=register, manner=Manner.TRUSTS_REGISTER)).start().settle()
    assert len(pair.sent[2][1]) == 512
    assert of(pair.events[Role.CLOUD], ev.CredentialsReceived) == []


@pytest.mark.parametrize(
    ("manner", "wait", "timer"),
    [(Manner.COMPARES, 10, "handshake"), (Manner.TRUSTS_REGISTER, 30, "identity")],
)
def test_a_cloud_waits_for_the_identity(manner: Manner, wait: float, timer: str) -> None:
    side = cloud(manner=manner)
    side.start(NOW)
    side.receive_data(bytes(255), NOW + 1)
    assert side.timer() == NOW + wait
    events = side.handle_timer(NOW + wait)
    assert names(events)[0] == "identity_short"
    assert endings(events)[0] == ("timed_out", timer, None)


@pytest.mark.parametrize(
    ("manner", "wait"), [(Manner.COMPARES, 10), (MANNER := Manner.TRUSTS_REGISTER, 31)]
)
def test_a_cloud_waits_for_the_hello(manner: Manner, wait: float) -> None:
    pair = Pair(cloud=cloud(manner=manner))
    pair.start()
    pair.carry(Role.CLOUD)
    pair.now += 1
    pair.carry(Role.DEVICE)
    assert pair.cloud.phase is Phase.HELLO
    assert pair.cloud.timer() == NOW + wait
    assert endings(pair.cloud.handle_timer(NOW + wait))[-1][1] is CloseReason.TIMED_OUT


def test_a_cloud_that_hears_nothing_closes() -> None:
    pair = session_pair(manner=Manner.COMPARES)
    assert pair.cloud.timer() == NOW + 31
    pair.pass_time(200)  # the device's pings keep it alive
    assert pair.cloud.phase is Phase.SESSION
    last = pair.cloud.timer()
    assert last is not None
    assert endings(pair.cloud.handle_timer(last))[0] == ("timed_out", "idle", None)


def test_a_patient_cloud_waits_for_ever() -> None:
    pair = session_pair(patience=Patience(None, None, None, None, None))
    assert pair.cloud.timer() is None


def device_frames(pair: Pair, *plaintexts: bytes) -> list[ev.Event]:
    """Let the device say something as it is, and return what the cloud makes of it."""
    events = []
    for plaintext in plaintexts:
        pair.device.send(NOW, plaintext)
        events += pair.cloud.receive_data(pair.device.data_to_send(), NOW)
    return events


def last_id(pair: Pair) -> int:
    return int.from_bytes(said(pair.events[Role.CLOUD], vectors.DEVICE)[-1][2:4], "big")


def test_a_cloud_counts_message_ids() -> None:
    for skipped, checks, ends in ((1, True, False), (2, True, True), (2, False, False)):
        pair = session_pair(checks_counter=checks)
        number = (last_id(pair) + skipped) % 65536
        event = b"\x50\x02" + number.to_bytes(2, "big") + b"\xb1\x45\x01a"
        events = device_frames(pair, event)
        assert (endings(events) != []) is ends
        if ends:
            assert endings(events)[0] == ("violation", "records", str(number), None)


def test_a_ping_counts_but_is_not_checked() -> None:
    pair = session_pair()
    number = last_id(pair)
    event = b"\x50\x02" + ((number + 2) % 65536).to_bytes(2, "big") + b"\xb1\x45\x01a"
    assert endings(device_frames(pair, b"\x40\0\x77\x77", event)) == []


def test_any_first_message_is_taken_for_a_hello() -> None:
    pair = Pair().start()
    pair.carry(Role.CLOUD)
    pair.carry(Role.DEVICE)
    session = split_session(of(pair.events[Role.CLOUD], ev.SessionKeys)[0].session)
    record = frame_record(encrypt_record(session.key, session.iv, b"\x40\0\x12\x34"))
    events = pair.cloud.receive_data(record, NOW)
    assert endings(events) == [("violation", "records", "ping", None)]
    assert of(events, HandshakeComplete)


def test_a_record_that_cannot_be_read_makes_a_cloud_deaf() -> None:
    for bad in (b"\0\x10" + bytes(16), b"\0\0", b"\0\x11"):
        pair = session_pair(manner=Manner.COMPARES)
        events = pair.cloud.receive_data(bad, NOW)
        assert [event.name for event in events] == ["record_bad", "peer_violation"]
        pair.device.ping(NOW)
        assert pair.cloud.receive_data(pair.device.data_to_send(), NOW) == []
        assert pair.cloud.phase is Phase.SESSION
        assert pair.cloud.timer() == NOW + 31


def test_a_malformed_message_ends_it() -> None:
    events = device_frames(session_pair(), b"\xff\xff\xff\xff")
    assert endings(events) == [
        ("violation", "records", "malformed", None),
        ("closed", CloseReason.VIOLATION, None),
    ]


def test_an_empty_record_is_passed_over() -> None:
    events = device_frames(session_pair(), b"")
    assert names(events) == ["record_bad"]


def test_a_device_that_goes() -> None:
    side = cloud()
    side.start(NOW)
    side.receive_data(bytes(7), NOW)
    assert names(side.receive_eof(NOW)) == ["identity_short", "ended", "closed"]


# --- anything at all


def stages() -> list[tuple[Role, Callable[[], Connection]]]:
    """Every side at every step at which bytes may reach it."""

    def started(role: Role) -> Connection:
        side = device() if role is Role.DEVICE else cloud()
        side.start(NOW)
        return side

    def answering() -> Connection:
        side = started(Role.DEVICE)
        side.receive_data(vectors.NONCE, NOW)
        return side

    def greeting(role: Role) -> Connection:
        pair = Pair().start()
        pair.carry(Role.CLOUD)
        pair.carry(Role.DEVICE)
        if role is Role.DEVICE:
            pair.carry(Role.CLOUD)
        return pair.side(role)

    made: list[tuple[Role, Callable[[], Connection]]] = [(Role.DEVICE, answering)]
    for role in Role:
        made.append((role, lambda role=role: started(role)))  # type: ignore[misc]
        made.append((role, lambda role=role: greeting(role)))  # type: ignore[misc]
        made.append((role, lambda role=role: session_pair().side(role)))  # type: ignore[misc]
    return made


STAGES = stages()


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(STAGES), st.lists(st.binary(max_size=700), max_size=4), st.booleans())
def test_random_bytes_of_a_peer_never_raise(
    stage: tuple[Role, Callable[[], Connection]], chunks: list[bytes], ends: bool
) -> None:
    side = stage[1]()
    for index, chunk in enumerate(chunks):
        side.receive_data(chunk, NOW + index)
        due = side.timer()
        if due is not None and index % 2:
            side.handle_timer(due)
    if ends:
        assert side.receive_eof(NOW + 9) == [] or side.phase is Phase.CLOSED
        assert side.phase is Phase.CLOSED


MESSAGES = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda head, code, rest: bytes((head, code)) + rest,
        st.sampled_from([0x40, 0x41, 0x48, 0x50, 0x51, 0x60, 0x61, 0x70]),
        st.sampled_from([0, 1, 2, 3, 0x44, 0x45, 0x80, 0x84]),
        st.builds(
            lambda number, letter, rest: number + b"\xb1" + letter + rest,
            st.binary(min_size=2, max_size=11),
            st.sampled_from([b"h", b"d", b"e", b"E", b"f", b"v", b"s", b"k", b"u", b"t", b"x"]),
            st.binary(max_size=40),
        ),
    ),
)


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(Role),
    st.sampled_from(GENERATIONS),
    st.lists(MESSAGES, max_size=6),
)
def test_no_message_of_a_peer_raises(
    role: Role, generation: Generation, plaintexts: list[bytes]
) -> None:
    """Well sealed, and anything inside."""
    pair = session_pair(generation, checks_counter=False)
    for side in Role:
        pair.side(side).data_to_send()
    peer = pair.side(Role.CLOUD if role is Role.DEVICE else Role.DEVICE)
    side_ = pair.side(role)
    heard: list[bytes] = []
    for plaintext in plaintexts:
        peer.send(NOW, plaintext)
        alive = side_.phase is Phase.SESSION
        events = side_.receive_data(peer.data_to_send(), NOW)
        if alive:
            heard += said(events, role.sends.other)
    sent = [plaintext for plaintext in plaintexts if plaintext]
    assert heard == sent[: len(heard)]
    if side_.phase is Phase.SESSION:
        assert heard == sent


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0, 40), max_size=12))
def test_time_may_pass_in_any_steps(steps: list[float]) -> None:
    """A clock that is looked at late makes deadlines late, and nothing worse."""
    pair = session_pair()
    now = NOW
    for step in steps:
        now += step
        for role in Role:
            pair.side(role).handle_timer(now)
            due = pair.side(role).timer()
            assert due is None or due > now
