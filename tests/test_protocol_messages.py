from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vectors
from handshake_probe.packets.units import Direction
from handshake_probe.protocol.coap import CoapMessage, Option, Type, encode
from handshake_probe.protocol.hello import device_os_of, read_goodbye
from handshake_probe.protocol.messages import Conversation, Kind

DEVICE, CLOUD = vectors.DEVICE, vectors.CLOUD
CODE = "A" * 63


def hexed(text: str) -> str:
    return text.encode().hex()


def event(name: str, data: str = "", *, split: bool = False, letter: bytes = b"E") -> str:
    segments = name.encode().split(b"/") if split else [name.encode()]
    options = tuple((int(Option.URI_PATH), s) for s in (letter, *segments))
    return encode(CoapMessage(Type.NON, 2, 7, b"", options, data.encode())).hex()


# Each row of the message catalogue: direction, bytes, kind, summary, some details.
CATALOGUE: list[tuple[Direction, str, Kind, str, dict[str, Any]]] = [
    (DEVICE, "40001238", Kind.PING, "ping", {"message_id": 0x1238, "code": "0.00"}),
    (CLOUD, "40001238", Kind.PING, "ping", {"type": "CON"}),
    (
        CLOUD,
        "4101d65e01b164",
        Kind.DESCRIBE_REQUEST,
        "describe request (without flags)",
        {"describe_flags": None, "token": "01"},
    ),
    (
        CLOUD,
        "410192cb01b1644103",
        Kind.DESCRIBE_REQUEST,
        "describe request (system,application)",
        {"describe_flags": 3},
    ),
    (
        DEVICE,
        "40021359b1644101ff7b7d",
        Kind.DESCRIBE_POST,
        "describe post (system, 2 bytes)",
        {"data_length": 2, "block_number": None},
    ),
    (
        DEVICE,
        "4102135970b1644102" + "c11a" + "ff7b7d",
        Kind.DESCRIBE_POST,
        "describe post (application, 2 bytes)",
        {"block_number": 1, "block_more": True},
    ),
    (
        CLOUD,
        "4102d65f02b166036c6564426f6e",
        Kind.FUNCTION_CALL,
        "function call led (2 bytes)",
        {"function": "led", "argument": "on"},
    ),
    (
        CLOUD,
        "4101d66003b17607636f756e746572",
        Kind.VARIABLE_REQUEST,
        "variable request counter",
        {"variable": "counter"},
    ),
    (
        DEVICE,
        "500239d6b1450a74727574682f74656d70ff6e3d31",
        Kind.EVENT,
        "event truth/temp (3 bytes)",
        {"event": "truth/temp", "data": "n=1", "ttl": 60, "public": False, "acknowledged": False},
    ),
    (
        DEVICE,
        "400239d6b16503612f6233000e10ff31",
        Kind.EVENT,
        "event a/b (1 bytes)",
        {"ttl": 3600, "public": True, "acknowledged": True},
    ),
    (
        CLOUD,
        event("garden/gate", "open", split=True),
        Kind.EVENT,
        "event garden/gate (4 bytes)",
        {"event": "garden/gate"},
    ),
    (
        DEVICE,
        "40011361b16505737061726b4175",
        Kind.SUBSCRIBE,
        "subscribe spark",
        {"prefix": "spark", "scope": "u", "device": None},
    ),
    (
        DEVICE,
        "40011361b16505737061726bff" + hexed("e00fce68a1b2c3d4e5f60718"),
        Kind.SUBSCRIBE,
        "subscribe spark",
        {"scope": None, "device": "e00fce68a1b2c3d4e5f60718"},
    ),
    (DEVICE, "410112379bb174", Kind.TIME_REQUEST, "time request", {"token": "9b"}),
    (CLOUD, "4103000101b1734101", Kind.SIGNAL, "signal on", {"on": True}),
    (CLOUD, "4103000101b1734100", Kind.SIGNAL, "signal off", {"on": False}),
    (
        CLOUD,
        "4103000101b16b4101",
        Kind.KEY_CHANGE,
        "key change: the device discards its session",
        {},
    ),
    (
        CLOUD,
        "4102000101b175ff" + "01" + "0200" + "00010000" + "00" + "080a0000",
        Kind.UPDATE_BEGIN,
        "update begin (65536 bytes)",
        {"flags": 1, "chunk_size": 512, "size": 65536, "store": 0},
    ),
    (
        CLOUD,
        "4102000101b173ff" + "00" * 12,
        Kind.UPDATE_BEGIN,
        "update begin (0 bytes)",
        {"size": 0},
    ),
    (
        CLOUD,
        "5102000201b16344deadbeef020007ffaabb",
        Kind.CHUNK,
        "chunk 7 (2 bytes)",
        {"crc": "deadbeef", "chunk": 7, "data_length": 2},
    ),
    (
        DEVICE,
        "40010001b163ff00010009",
        Kind.CHUNK_MISSED,
        "chunks missed: 2",
        {"count": 2, "chunks": "1,9"},
    ),
    (CLOUD, "4103000101b175", Kind.UPDATE_DONE, "update done", {}),
    (DEVICE, "40030001b175", Kind.UPDATE_DONE, "update done", {}),
    (CLOUD, "4102000101b153ff0102", Kind.OTA_V3, "update v3 start (2 bytes)", {"step": "start"}),
    (CLOUD, "4102000101b143ff01", Kind.OTA_V3, "update v3 chunk (1 bytes)", {"step": "chunk"}),
    (CLOUD, "4102000101b146", Kind.OTA_V3, "update v3 finish (0 bytes)", {"step": "finish"}),
    (CLOUD, "4102000101b14dff0a", Kind.SERVER_MOVED, "server moved", {"data_length": 1}),
    (
        DEVICE,
        "5002136cb178d0eaff0102",
        Kind.GOODBYE,
        "Goodbye cloud_reason=2 (user)",
        {"cloud_reason": 2, "reason": "user", "no_response": True, "sleep_seconds": None},
    ),
    (
        DEVICE,
        event("spark/device/claim/code", CODE),
        Kind.CLAIM_CODE,
        "event spark/device/claim/code (63 bytes)",
        {"data": None, "data_length": 63, "erased": False},
    ),
    (
        DEVICE,
        event("spark/device/ident/0", "8901"),
        Kind.EVENT,
        "event spark/device/ident/0 (4 bytes)",
        {"data": "8901"},
    ),
    (
        DEVICE,
        event("spark/hardware/max_binary", "102400"),
        Kind.EVENT,
        "event spark/hardware/max_binary (6 bytes)",
        {"data": "102400"},
    ),
    (
        DEVICE,
        event("spark/device/safemode") + "ff",
        Kind.SAFE_MODE,
        "event spark/device/safemode (0 bytes)",
        {"notes": "payload marker without payload"},
    ),
    (
        DEVICE,
        event("spark/device/key/error", "5"),
        Kind.KEY_ERROR,
        "event spark/device/key/error (1 bytes): server_key_blank,server_address_blank",
        {"error_mask": 5, "errors": "server_key_blank,server_address_blank"},
    ),
    (
        DEVICE,
        event("spark/device/key/error", "five"),
        Kind.KEY_ERROR,
        "event spark/device/key/error (4 bytes): unreadable",
        {"error_mask": None},
    ),
    (
        CLOUD,
        event("spark/device/claim/confirmed", "ok", split=True),
        Kind.CLAIM_CONFIRMED,
        "event spark/device/claim/confirmed (2 bytes)",
        {"data": None},
    ),
    (
        CLOUD,
        event("spark/device/reset", "safe mode", split=True),
        Kind.RESET_COMMAND,
        "event spark/device/reset (9 bytes): safe mode",
        {"command": "safe mode"},
    ),
    (CLOUD, "5102045601b168", Kind.HELLO, "Hello of the cloud", {"token": "01"}),
    (DEVICE, "50001234", Kind.UNKNOWN, "empty message that asks for nothing", {}),
    (DEVICE, "40021234b17a", Kind.UNKNOWN, "unknown request 0.02 /z", {}),
    (DEVICE, "40021234", Kind.UNKNOWN, "unknown request 0.02 /", {}),
    (DEVICE, "00021234", Kind.MALFORMED, "malformed: version 0 instead of 1", {}),
]


@pytest.mark.parametrize(("direction", "data", "kind", "summary", "details"), CATALOGUE)
def test_a_message_of_the_catalogue_is_understood(
    direction: Direction, data: str, kind: Kind, summary: str, details: dict[str, Any]
) -> None:
    meaning = Conversation().read(direction, bytes.fromhex(data))
    assert (meaning.kind, meaning.summary) == (kind, summary)
    assert {key: meaning.details[key] for key in details} == details


# request direction and bytes, reply bytes, kind, summary, some details
REPLIES: list[tuple[Direction, str, str, Kind, str, dict[str, Any]]] = [
    (DEVICE, "40001238", "60001238", Kind.ACK, "ack to ping", {"answers": "ping"}),
    (
        DEVICE,
        "40001238",
        "6100123800",
        Kind.ACK,
        "ack to ping",
        {"notes": "token on an empty message"},
    ),
    (
        DEVICE,
        "410112379bb174",
        "614512379bff65000000",
        Kind.TIME,
        "time 1694498816",
        {"unix_seconds": 0x65000000, "answers": "time_request"},
    ),
    (
        CLOUD,
        "4101d65e01b164",
        "6145d65e01ff7b7d",
        Kind.DESCRIBE,
        "describe (2 bytes)",
        {"data": "{}", "in_blocks": False},
    ),
    (
        CLOUD,
        "410192cb01b1644101",
        "4145ed8901ff7b7d",
        Kind.DESCRIBE,
        "describe (2 bytes)",
        {"answers": "describe_request"},
    ),
    (
        CLOUD,
        "4101660c01b164",
        "6180660c01",
        Kind.REFUSAL,
        "refusal 4.00 to describe request",
        {"answers": "describe_request", "code": "4.00"},
    ),
    (
        CLOUD,
        "4102d65f02b166036c6564426f6e",
        "514439d702fffffffffe",
        Kind.FUNCTION_RETURN,
        "function return -2",
        {"value": -2},
    ),
    (
        CLOUD,
        "4101d66003b17607636f756e746572",
        "6145d66003ff00000007",
        Kind.VARIABLE_VALUE,
        "variable value (4 bytes)",
        {"hex": "00000007"},
    ),
    (
        CLOUD,
        "4101d66003b17607636f756e746572",
        "5184136603",
        Kind.REFUSAL,
        "refusal 4.04 to variable request",
        {"answers": "variable_request"},
    ),
    (
        CLOUD,
        "4102000105b175ff" + "00" * 12,
        "5144000205ff01",
        Kind.UPDATE_READY,
        "update ready",
        {"flags": 1},
    ),
    (
        CLOUD,
        "4102000105b175ff" + "00" * 12,
        "61a3000105",
        Kind.REFUSAL,
        "refusal 5.03 to update begin",
        {"code": "5.03"},
    ),
    (
        CLOUD,
        "4103000101b1734101",
        "6144000101",
        Kind.RESPONSE,
        "response 2.04 to signal (0 bytes)",
        {"answers": "signal"},
    ),
    (
        DEVICE,
        "500239d6b1450a74727574682f74656d70",
        "618039d600",
        Kind.REFUSAL,
        "refusal 4.00 to event",
        {"answers": "event"},
    ),
    (  # Device OS 0.4.0 writes 0.01 for 4.00
        CLOUD,
        "4102d65f02b166036c6564",
        "6001d65f",
        Kind.REFUSAL,
        "refusal 0.01 to function call",
        {},
    ),
    (DEVICE, "40001238", "70001238", Kind.RESET, "reset to ping", {"answers": "ping"}),
    (DEVICE, "40001238", "60001239", Kind.ACK, "ack", {"answers": None}),
    (DEVICE, "40001238", "51450001ffff01", Kind.RESPONSE, "response 2.05 (1 bytes)", {}),
]


@pytest.mark.parametrize(("requester", "request_", "reply", "kind", "summary", "details"), REPLIES)
def test_a_reply_is_named_by_its_request(
    requester: Direction,
    request_: str,
    reply: str,
    kind: Kind,
    summary: str,
    details: dict[str, Any],
) -> None:
    conversation = Conversation()
    conversation.read(requester, bytes.fromhex(request_))
    meaning = conversation.read(requester.other, bytes.fromhex(reply))
    assert (meaning.kind, meaning.summary) == (kind, summary)
    assert {key: meaning.details[key] for key in details} == details


def test_an_ack_of_a_separate_response_is_named() -> None:
    conversation = Conversation()
    conversation.read(CLOUD, bytes.fromhex("410192cb01b1644101"))
    conversation.read(DEVICE, bytes.fromhex("4145ed8901ff7b7d"))
    assert conversation.read(CLOUD, bytes.fromhex("6000ed89")).summary == "ack to describe"


def test_only_so_many_requests_are_remembered() -> None:
    conversation = Conversation()
    for number in range(5000):
        conversation.read(DEVICE, b"\x40\x00" + number.to_bytes(2, "big"))
    assert conversation.read(CLOUD, bytes.fromhex("60001387")).details["answers"] == "ping"
    assert conversation.read(CLOUD, bytes.fromhex("60000000")).details["answers"] is None


HELLO = "50021235b168ff"


@pytest.mark.parametrize(
    ("payload", "summary", "details"),
    [
        (
            "0006010200360006",
            "Hello product=6 firmware=0x0102 flags=0x0036 platform=6",
            {
                "flag_names": "diagnostics,immediate_updates,goodbye,device_describes",
                "device_os": None,
            },
        ),
        (
            "0006010200360006" + "0000" + "0ce6" + "03c0" + "00019000" + "0200",
            "Hello product=6 firmware=0x0102 flags=0x0036 platform=6 Device OS 3.3.1",
            {
                "device_os": "3.3.1",
                "device_os_module": 3302,
                "max_message_size": 960,
                "max_binary_size": 102400,
                "ota_chunk_size": 512,
            },
        ),
        (
            "ffffffff0000",
            "Hello product=65535 firmware=0xffff flags=0x0000",
            {"platform_id": None, "flag_names": ""},
        ),
        (
            "0006010200360006" + "000c" + "e00fce68a1b2c3d4e5f60718" + "0ce5",
            "Hello product=6 firmware=0x0102 flags=0x0036 platform=6 Device OS 3.3.0",
            {"device_id": "e00fce68a1b2c3d4e5f60718", "max_message_size": None},
        ),
        ("00", "Hello without payload", {"product_id": None}),
    ],
)
def test_a_hello_is_read(payload: str, summary: str, details: dict[str, Any]) -> None:
    meaning = Conversation().read(DEVICE, bytes.fromhex(HELLO + payload))
    assert (meaning.kind, meaning.summary) == (Kind.HELLO, summary)
    assert {key: meaning.details[key] for key in details} == details


@pytest.mark.parametrize(
    ("module", "version"),
    [(3301, "3.3.0"), (3302, "3.3.1"), (3107, "3.1.x"), (4001, "4.0.x"), (1006, None)],
)
def test_module_numbers_name_versions(module: int, version: str | None) -> None:
    assert device_os_of(module) == version


def test_a_goodbye_with_all_fields_is_read() -> None:
    assert read_goodbye(bytes.fromhex("0f" + "06" + "8c01" + "904e" + "03")) == {
        "cloud_reason": 6,
        "reset_reason": 140,
        "sleep_seconds": 10000,
        "network_reason": 3,
        "reason": "sleep",
    }


@pytest.mark.parametrize("payload", ["", "01", "0180", "ff" * 40])
def test_a_damaged_goodbye_has_no_reason(payload: str) -> None:
    assert read_goodbye(bytes.fromhex(payload))["reason"] is None


@pytest.mark.parametrize("name", ["spark/device/claim/code", "spark/device/claim/other"])
@pytest.mark.parametrize("split", [True, False])
def test_a_claim_code_is_never_told(name: str, split: bool) -> None:
    secret = "S3cr3tClaimCode" * 4
    meaning = Conversation().read(DEVICE, bytes.fromhex(event(name, secret, split=split)))
    assert "S3cr3t" not in meaning.summary + repr(meaning.details)


def test_an_erased_claim_code_is_recognised() -> None:
    data = bytes.fromhex(event("spark/device/claim/code", "x" * 63))
    meaning = Conversation().read(DEVICE, data[:-63] + b"\xff" * 63)
    assert meaning.details["erased"] is True


def test_names_of_a_peer_stay_on_one_line() -> None:
    meaning = Conversation().read(DEVICE, bytes.fromhex(event("a\n\x1b[31mb\u202e" + "c" * 300)))
    assert meaning.summary.isprintable()
    assert len(meaning.summary) < 120


@given(st.lists(st.tuples(st.sampled_from(Direction), st.binary(max_size=40)), max_size=8))
def test_no_plaintext_raises(messages: list[tuple[Direction, bytes]]) -> None:
    conversation = Conversation()
    for direction, data in messages:
        meaning = conversation.read(direction, data)
        assert meaning.summary.isprintable()
        for value in meaning.details.values():
            assert value is None or isinstance(value, str | int | bool)


@given(
    st.sampled_from(Direction),
    st.sampled_from(Type),
    st.sampled_from([1, 2, 3, 0x44, 0x45, 0x80]),
    st.sampled_from([b"h", b"d", b"e", b"E", b"t", b"c", b"u", b"x", b"f", b"v", b"s", b"S", b"M"]),
    st.binary(max_size=20),
    st.binary(max_size=20),
)
def test_no_payload_raises(
    direction: Direction, type_: Type, code: int, path: bytes, query: bytes, payload: bytes
) -> None:
    options = ((11, path), (11, payload), (14, query), (15, query), (23, query), (27, query))
    data = encode(CoapMessage(type_, code, 1, b"", options, payload))
    assert Conversation().read(direction, data).kind is not Kind.MALFORMED
