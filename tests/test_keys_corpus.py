"""Thousands of keys, sound and damaged: our verdict against the stride rule and against OpenSSL."""

from __future__ import annotations

import shutil
import subprocess
from itertools import permutations
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from handshake_probe.keys.check import Checked, Firmware, Tools, check_key
from handshake_probe.keys.defects import Code, Hurts
from keypool import PRIMES, SLOT, as_device, as_openssl, firmware_opens, key_of, pool


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
