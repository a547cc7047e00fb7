from __future__ import annotations

import pytest
from aiocoap import Message as Oracle
from aiocoap.error import UnparsableMessage
from hypothesis import given
from hypothesis import strategies as st

from handshake_probe.protocol.coap import (
    NOTE_BARE_MARKER,
    NOTE_EMPTY_WITH_TOKEN,
    CoapMessage,
    Malformed,
    Option,
    Type,
    code_text,
    encode,
    parse,
)

# Options whose value aiocoap keeps as bytes; of others it keeps the meaning alone.
OPAQUE = [1, 4, 65000, 2050, 65535, 300]

messages = st.builds(
    CoapMessage,
    type=st.sampled_from(Type),
    code=st.integers(1, 255),
    message_id=st.integers(0, 0xFFFF),
    token=st.binary(max_size=8),
    options=st.lists(st.tuples(st.sampled_from(OPAQUE), st.binary(max_size=300)), max_size=5).map(
        lambda options: tuple(sorted(options, key=lambda option: option[0]))
    ),
    payload=st.binary(max_size=300),
    notes=st.just(()),
)


def oracle_view(message: CoapMessage) -> tuple[object, ...]:
    return (*message[:4], [(n, v) for n, v in message.options], message.payload)


def oracle_read(data: bytes) -> tuple[object, ...]:
    read = Oracle.decode(data)
    options = [(int(o.number), o.encode()) for o in read.opt.option_list()]
    return (int(read.mtype), int(read.code), read.mid, read.token, options, read.payload)


@given(messages)
def test_what_we_write_both_read_alike(message: CoapMessage) -> None:
    data = encode(message)
    assert parse(data) == message
    assert oracle_read(data) == oracle_view(message)


@given(messages)
def test_what_aiocoap_writes_we_read(message: CoapMessage) -> None:
    theirs = Oracle.decode(encode(message))
    theirs.direction = type(theirs.direction).OUTGOING
    assert parse(theirs.encode()) == message


@given(st.binary(max_size=60))
def test_what_we_read_strictly_aiocoap_reads_too(data: bytes) -> None:
    message = parse(data)
    if isinstance(message, CoapMessage) and not message.notes:
        assert encode(message)[:4] == data[:4]
        try:
            theirs = Oracle.decode(data)
        except UnicodeDecodeError:
            return  # a text option that is no UTF-8: bytes to us
        except UnparsableMessage:
            pytest.fail("refused by aiocoap")
        assert (theirs.mid, theirs.token, theirs.payload) == (
            message.message_id,
            message.token,
            message.payload,
        )


@given(st.binary(max_size=40).map(lambda tail: b"\x41\x02\x12\x34\x01" + tail))
def test_what_aiocoap_refuses_we_refuse(data: bytes) -> None:
    try:
        Oracle.decode(data)
    except UnparsableMessage:
        assert isinstance(parse(data), Malformed)
    except UnicodeDecodeError:
        pass  # a text option that is no UTF-8: bytes to us


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "shorter"),
        ("400000", "shorter"),
        ("80001234", "version 2"),
        ("4902123400112233445566778899", "longer than 8"),
        ("4201123401", "token cut off"),
        ("4000123401", "after an empty"),
        ("40021234f1", "damaged"),
        ("400212341f", "damaged"),
        ("40021234d1", "damaged"),
        ("40021234e100", "damaged"),
        ("40021234b2", "cut off"),
        ("40021234e0ffffe0ffff", "above 65535"),
    ],
)
def test_reasons_are_named(data: str, reason: str) -> None:
    message = parse(bytes.fromhex(data))
    assert isinstance(message, Malformed)
    assert reason in message.reason


def test_an_acknowledgement_of_the_original_server_is_read() -> None:
    message = parse(bytes.fromhex("6100123400"))
    assert message == CoapMessage(Type.ACK, 0, 0x1234, b"\0", notes=(NOTE_EMPTY_WITH_TOKEN,))
    refusal = parse(bytes.fromhex("6180123400"))
    assert refusal == CoapMessage(Type.ACK, 0x80, 0x1234, b"\0")


def test_a_bare_payload_marker_is_read() -> None:
    message = parse(bytes.fromhex("50021234b145ff"))
    assert isinstance(message, CoapMessage)
    assert message.notes == (NOTE_BARE_MARKER,)
    assert message.values(Option.URI_PATH) == [b"E"]


def test_option_258_is_read() -> None:
    message = parse(bytes.fromhex("5002136cb178d0eaff0102"))
    assert isinstance(message, CoapMessage)
    assert message.options == ((Option.URI_PATH, b"x"), (Option.NO_RESPONSE, b""))
    assert message.payload == b"\1\2"


def test_codes_are_written_as_the_standard_does() -> None:
    assert [code_text(code) for code in (0, 1, 0x45, 0x80, 0xA3)] == [
        "0.00",
        "0.01",
        "2.05",
        "4.00",
        "5.03",
    ]


@pytest.mark.parametrize(
    "message",
    [
        CoapMessage(Type.CON, 1, 0x10000),
        CoapMessage(Type.CON, 1, -1),
        CoapMessage(Type.CON, 1, 1, token=bytes(9)),
        CoapMessage(Type.CON, 1, 1, options=((11, b"a"), (4, b"b"))),
        CoapMessage(Type.CON, 1, 1, options=((65536, b""),)),
        CoapMessage(Type.CON, 1, 1, options=((11, bytes(65805)),)),
    ],
)
def test_what_does_not_fit_is_not_written(message: CoapMessage) -> None:
    with pytest.raises(ValueError, match=r"at most|have|16 bits|never fall"):
        encode(message)
