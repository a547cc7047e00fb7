"""IP packets in parts come out whole, once, or not at all."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames import CLOUD_MAC, DEVICE_MAC, ethernet, inet, inet6, ipv4, ipv6, tcp
from handshake_probe.packets.decode import Decoder
from handshake_probe.packets.fragments import MEMORY_LIMIT, OPEN_LIMIT, PARTS_LIMIT
from handshake_probe.packets.units import Datagram, Frame, Packet, Segment, Skipped

PAYLOAD = bytes(range(256)) * 3
SECOND = 10**9


def parts_v4(size: int = 256, **fields: Any) -> list[bytes]:
    packet = ipv4(**fields) / tcp(flags="PA") / PAYLOAD
    return [bytes(ethernet() / part) for part in inet.fragment(packet, size)]


def parts_v6() -> list[bytes]:
    packet = ipv6() / inet6.IPv6ExtHdrFragment(id=7) / inet6.IPv6ExtHdrDestOpt() / tcp() / PAYLOAD
    return [bytes(ethernet() / part) for part in inet6.fragment6(packet, 400)]


def decode_all(
    parts: list[bytes], decoder: Decoder | None = None, step_ns: int = 1
) -> list[Packet]:
    decoder = decoder or Decoder()
    return [
        decoder.decode(Frame(at + 1, at * step_ns, 1, 0, data, len(data)))
        for at, data in enumerate(parts)
    ]


def reasons(packets: list[Packet]) -> list[str]:
    return [packet.reason for packet in packets if isinstance(packet, Skipped)]


@pytest.mark.parametrize("parts", [parts_v4(), parts_v4(64), parts_v6()])
@pytest.mark.parametrize("seed", range(5))
def test_parts_in_any_order(parts: list[bytes], seed: int) -> None:
    parts = parts.copy()
    assert len(parts) >= 3
    if seed:
        random.Random(seed).shuffle(parts)
        parts.insert(1, parts[0])  # the same frame captured twice
    decoder = Decoder()
    *before, last = decode_all(parts, decoder)
    assert isinstance(last, Segment)
    assert (last.frame, last.time_ns) == (len(parts), len(parts) - 1)
    assert (last.payload, last.payload_length) == (PAYLOAD, len(PAYLOAD))
    assert last.link_source == bytes.fromhex(DEVICE_MAC.replace(":", ""))
    assert last.link_destination == bytes.fromhex(CLOUD_MAC.replace(":", ""))
    assert set(reasons(before)) == {"fragment"}
    assert (decoder.abandoned, decoder.capped) == (0, False)


def test_datagram_in_parts() -> None:
    packet = ipv4() / inet.UDP(sport=53, dport=4000) / PAYLOAD
    last = decode_all([bytes(ethernet() / part) for part in inet.fragment(packet, 304)])[-1]
    assert isinstance(last, Datagram)
    assert last.payload == PAYLOAD


def test_a_missing_part() -> None:
    decoder = Decoder()
    parts = parts_v4()
    assert set(reasons(decode_all(parts[:1] + parts[2:], decoder))) == {"fragment"}
    assert decoder.abandoned == 1


def test_packets_do_not_mix() -> None:
    one, two = parts_v4(id=1), parts_v4(id=2)
    packets = decode_all([part for pair in zip(one, two, strict=True) for part in pair])
    assert [type(packet) for packet in packets[-2:]] == [Segment, Segment]


@pytest.mark.parametrize("change", ["content", "longer", "beyond the end", "second end"])
def test_overlapping_parts_are_refused(change: str) -> None:
    parts = parts_v4()
    evil = bytearray(parts[1])
    if change == "content":
        evil[-1] ^= 1
    elif change == "longer":
        evil[21] -= 1  # it starts 8 bytes earlier
    elif change == "beyond the end":
        evil[20:22] = b"\x20\xf0"
    else:
        evil[20] &= 0x1F  # no more parts
    order = [parts[0], parts[1], parts[-1], bytes(evil), *parts[2:-1]]
    decoder = Decoder()
    packets = decode_all(order, decoder)
    assert not [packet for packet in packets if isinstance(packet, Segment)]
    assert set(reasons(packets[3:])) == {"fragment_overlap"}
    assert decoder.abandoned == 1


def test_identifications_are_used_again_after_a_while() -> None:
    parts = parts_v4()
    decoder = Decoder()
    decode_all(parts[:1], decoder)
    late = [decoder.decode(Frame(9, 61 * SECOND, 1, 0, part, len(part))) for part in parts]
    assert isinstance(late[-1], Segment)
    assert decoder.abandoned == 1


def test_snapped_parts() -> None:
    parts = parts_v4()
    cut = decode_all([parts[0], parts[1][:-9], *parts[2:]])
    assert "truncated" in reasons(cut)
    assert not [packet for packet in cut if isinstance(packet, Segment)]


def test_parts_that_cannot_be() -> None:
    odd = bytes(ethernet() / ipv4(flags="MF") / b"12345")  # not a multiple of 8
    huge = bytes(ethernet() / ipv4(frag=8191) / b"12345678")  # ends beyond 65,535
    empty = bytes(ethernet() / ipv4(frag=3))
    assert reasons(decode_all([odd, huge, empty])) == ["malformed"] * 3


def test_bounds() -> None:
    decoder = Decoder()
    decode_all([parts_v4(id=number)[0] for number in range(OPEN_LIMIT + 50)], decoder)
    assert decoder.capped
    assert decoder.abandoned == OPEN_LIMIT + 50
    assert len(decoder._fragments._open) == OPEN_LIMIT
    decoder = Decoder()
    many = [
        bytes(ethernet() / ipv4(frag=at, flags="MF") / bytes(8)) for at in range(PARTS_LIMIT + 2)
    ]
    assert "fragment_limit" in reasons(decode_all(many, decoder))
    assert decoder.capped


def test_memory_is_bounded() -> None:
    decoder = Decoder()
    big = [
        bytes(ethernet() / ipv4(id=number, frag=1, flags="MF") / bytes(60_000))
        for number in range(MEMORY_LIMIT // 60_000 + 9)
    ]
    assert reasons(decode_all(big, decoder))[-1] == "fragment_limit"
    kept = sum(parts.size for parts in decoder._fragments._open.values())
    assert kept == decoder._fragments._size <= MEMORY_LIMIT


@given(
    st.lists(
        st.tuples(st.sampled_from([*parts_v4(), *parts_v6()]), st.integers(14, 60), st.binary()),
        max_size=12,
    )
)
def test_damaged_parts_never_raise(steps: list[tuple[bytes, int, bytes]]) -> None:
    decoder = Decoder()
    decode_all([data[:at] + new + data[at + len(new) :] for data, at, new in steps], decoder)
    kept = sum(parts.size for parts in decoder._fragments._open.values())
    assert kept == decoder._fragments._size >= 0
