"""Thousands of keys, sound and damaged: our verdict against the stride rule and against OpenSSL.

The stride rule is written here a second time, from the firmware's description alone.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from functools import cache
from itertools import permutations
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from handshake_probe.keys.check import Checked, Firmware, Tools, check_key
from handshake_probe.keys.defects import Code, Hurts

E = 65537
SLOT = 612
SEED = 20
PRIMES = 40  # ordered pairs of them: 1560 keys
Key = tuple[int, int, int, int, int, int, int, int]  # n e d p q dp dq qinv


def is_prime(number: int) -> bool:
    return all(number % small for small in range(3, 200, 2)) and all(
        pow(base, number - 1, number) == 1 for base in (2, 3, 5)
    )


@cache
def pool() -> tuple[int, ...]:
    """Primes as OpenSSL takes them for 1024 bits: 512 bits, the two highest set."""
    chance = random.Random(SEED)
    primes: list[int] = []
    while len(primes) < PRIMES:
        candidate = chance.getrandbits(512) | 3 << 510 | 1
        if is_prime(candidate) and (candidate - 1) % E:
            primes.append(candidate)
    return tuple(primes)


def key_of(p: int, q: int) -> Key:
    d = pow(E, -1, (p - 1) * (q - 1))
    return p * q, E, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)


def element(tag: int, body: bytes) -> bytes:
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes([tag, 0x80 + size]) + len(body).to_bytes(size, "big") + body


def minimal(number: int) -> bytes:
    return element(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def as_openssl(key: Key) -> bytes:
    return element(0x30, minimal(0) + b"".join(minimal(number) for number in key))


def as_device(key: Key) -> bytes:
    """With every integer at full size, as a device's own generator writes it."""
    n, e, d, *halves = key
    body = minimal(0) + element(2, n.to_bytes(129, "big")) + minimal(e)
    body += element(2, d.to_bytes(129, "big"))
    return element(0x30, body + b"".join(element(2, x.to_bytes(65, "big")) for x in halves))


def firmware_opens(slot: bytes) -> bool:
    """Encrypt to the modulus that the strides find, and decrypt with the CRT values they find."""
    flash = slot[:SLOT] + b"\xff" * (SLOT - len(slot))
    if flash[0] == 0xFF:
        return False  # taken for empty: a new key is made
    values = []
    at = 9
    for size, stride in ((128, 135), (128, 129), *[(64, 65)] * 5):
        at += 2 if flash[at] % 2 else 1
        values.append(int.from_bytes(flash[at : at + size], "big"))
        at += stride
    n, _, p, q, dp, dq, qinv = values
    if n < 4 or p < 2 or q < 2:
        return False
    # Both: what the device encrypts with is n as sent, what it decrypts with must belong to it.
    message = n // 3 * 2
    cipher = pow(message, E, n)
    low = pow(cipher, dq, q)
    return low + q * ((pow(cipher, dp, p) - low) * qinv % p) == message


def openssl_takes(path: Path) -> bool:
    command = ["openssl", "rsa", "-inform", "DER", "-in", str(path), "-check", "-noout"]
    done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode == 0 and b"RSA key ok" in done.stdout + done.stderr


def hurting(checked: Checked, *who: Hurts) -> set[Code]:
    return {code for code in checked.codes if code.hurts in who}


def agree(checked: Checked, data: bytes) -> None:
    """The verdict is the stride rule's, and exactly what fails has a defect to show for it."""
    opens = firmware_opens(data)
    assert (checked.firmware is Firmware.USABLE) == opens, checked
    assert bool(hurting(checked, Hurts.FIRMWARE, Hurts.BOTH)) == (not opens), checked


def test_every_sound_key_is_judged_as_the_stride_rule_says() -> None:
    misread = 0
    for p, q in permutations(pool(), 2):
        data = as_openssl(key_of(p, q))
        checked = check_key("key.der", data)
        agree(checked, data)
        assert checked.tools is Tools.ACCEPT
        assert checked.codes <= {Code.SHORT_INTEGER}
        misread += bool(checked.codes)
    assert 0.003 < misread / (PRIMES * (PRIMES - 1)) < 0.02  # about one in a hundred


def test_no_key_in_a_devices_own_form_is_misread() -> None:
    for p, q in list(permutations(pool(), 2))[::7]:
        data = as_device(key_of(p, q)).ljust(SLOT, b"\xff")
        checked = check_key("slot.bin", data)
        agree(checked, data)
        assert checked.firmware is Firmware.USABLE
        assert checked.codes <= {Code.NOT_MINIMAL}


@st.composite
def sound_key(draw: st.DrawFn) -> bytes:
    p, q = draw(st.permutations(pool()))[:2]
    return draw(st.sampled_from((as_openssl, as_device)))(key_of(p, q))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A key file to which one thing was done."""
    der = draw(sound_key())
    slot = der.ljust(SLOT, b"\xff")
    at = draw(st.integers(0, len(der) - 1))
    few = draw(st.binary(min_size=1, max_size=12))
    run = draw(st.sampled_from((b"\xff", b"\0"))) * draw(st.integers(16, 80))
    match draw(st.integers(0, 9)):
        case 0:
            return slot[:at] + bytes([slot[at] ^ 1 << draw(st.integers(0, 7))]) + slot[at + 1 :]
        case 1:
            return der[:at].ljust(SLOT, b"\xff")
        case 2:
            return der[:at]
        case 3:
            return (few + slot)[:SLOT]
        case 4:
            return slot[len(few) :]
        case 5:
            return (slot[:at] + run + slot[at + len(run) :])[:SLOT]
        case 6:
            return der + few
        case 7:
            return slot[: at % 11] + few[:1] + slot[at % 11 + 1 :]
        case 8:
            return slot[:at] + few + slot[at + len(few) :]
        case _:
            return slot[:at] + slot[at + 1 :]


@settings(max_examples=400, deadline=None)
@given(damaged())
def test_every_damage_that_stops_the_firmware_is_named_and_no_other(data: bytes) -> None:
    agree(check_key("slot.bin", data), data)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_says_the_same_of_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "key.der"

    @settings(max_examples=120, deadline=None)
    @given(damaged())
    def agrees(data: bytes) -> None:
        path.write_bytes(data)
        assert (check_key("key.der", data).tools is not Tools.REFUSE) == openssl_takes(path)

    agrees()


@settings(max_examples=120, deadline=None)
@given(damaged())
def test_a_strict_parser_takes_what_is_said_to_be_accepted_by_all(data: bytes) -> None:
    checked = check_key("key.der", data)
    try:
        serialization.load_der_private_key(data, None)
    except ValueError:
        assert checked.tools is not Tools.ACCEPT
    else:
        assert checked.tools is Tools.ACCEPT


NAMES = ("n", "e", "d", "p", "q", "dp", "dq", "qinv")


@settings(max_examples=150, deadline=None)
@given(sound_key(), st.integers(0, 7), st.integers(0, 503))
def test_a_flipped_bit_is_located(der: bytes, which: int, bit: int) -> None:
    """In the file's own bytes, so that the DER around the integer stays right."""
    starts, at = [], 7
    for _ in NAMES:  # where each integer's value ends
        length_at = at + 1
        first = der[length_at]
        value_at = length_at + 1 + (first - 0x80 if first > 0x80 else 0)
        length = int.from_bytes(der[length_at + 1 : value_at], "big") if first > 0x80 else first
        at = value_at + length
        starts.append((value_at, at))
    low, end = starts[which]
    name, bit = NAMES[which], bit % (16 if which == 1 else 504)
    byte = end - 1 - bit // 8
    if byte <= low:
        return  # the leading zero, or the top byte: another length rather than another value
    changed = bytearray(der)
    changed[byte] ^= 1 << bit % 8
    checked = check_key("key.der", bytes(changed))
    told = [defect.text for defect in checked.defects]
    assert any(
        text.startswith(f"{name} is damaged")
        and f"bit {bit} is flipped" in text
        and f"byte {byte} of the file" in text
        for text in told
    ), told
