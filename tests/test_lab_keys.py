"""The lab's folder of keys, and what damage makes of a key slot."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import vectors
from handshake_probe.errors import KeyFileError, UnreadableInput
from handshake_probe.keys.files import read_key
from handshake_probe.keys.fingerprint import describe_sent_key
from handshake_probe.keys.firmware import (
    read_device_slot,
    spki_as_sent,
    usable_for_decrypting,
)
from handshake_probe.keys.keyfile import KeyRole
from handshake_probe.lab import damage, keystore
from lab_room import SLOT, noise, tree

ID = "1ab000000000000000000001"
SOUND_SPKI = spki_as_sent(SLOT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_keys_are_made_once_and_for_their_owner(folder: Path) -> None:
    key = keystore.cloud_key(folder)
    made = keystore.device_slot(folder / f"{ID}.der", damage.sound_slot)
    assert made.made == folder / f"{ID}.pub.pem"
    before = tree(folder)
    assert keystore.cloud_key(folder) == key
    again = keystore.device_slot(folder / f"{ID}.der", lambda: pytest.fail("made again"))
    assert (again.slot, again.made) == (made.slot, None)
    assert tree(folder) == before
    assert set(before) == {"cloud_private.pem", "cloud_public.der", f"{ID}.der", f"{ID}.pub.pem"}
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_made_keys_are_what_their_names_say(folder: Path) -> None:
    key = keystore.cloud_key(folder)
    assert keystore.server_modulus(folder / "cloud_public.der") == (key.n, None)
    slot = keystore.device_slot(folder / f"{ID}.der", damage.sound_slot).slot
    file = read_key(f"{ID}.der", slot)
    assert (file.role, file.firmware_usable, file.device_id) == (KeyRole.DEVICE_PRIVATE, True, ID)
    registered = keystore.register(folder)(ID)
    assert registered is not None
    assert registered.n == file.n
    assert keystore.register(folder)("0" * 24) is None
    assert keystore.registered_count(folder) == 1


@pytest.mark.parametrize("name", ["cloud_private.pem", "cloud_public.der"])
def test_a_file_that_is_another_is_refused_and_kept(folder: Path, name: str) -> None:
    keystore.cloud_key(folder)
    (folder / name).write_bytes(SLOT)
    with pytest.raises(KeyFileError):
        keystore.cloud_key(folder)
    assert (folder / name).read_bytes() == SLOT


def test_a_public_key_that_is_there_is_never_overwritten(folder: Path) -> None:
    folder.mkdir()
    public = folder / f"{ID}.pub.pem"
    public.write_bytes(b"registered before")
    with pytest.raises(UnreadableInput, match="File exists"):
        keystore.device_slot(folder / f"{ID}.der", damage.sound_slot)
    assert tree(folder) == {public.name: b"registered before"}


def test_a_broken_link_is_not_written_through(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / "cloud_private.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnreadableInput):
        keystore.cloud_key(folder)
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_file_in_pem_is_put_into_a_slot(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / f"{ID}.pem"
    path.write_bytes(vectors_pem())
    assert keystore.device_slot(path, damage.sound_slot).slot == SLOT


def vectors_pem() -> bytes:
    from cryptography.hazmat.primitives import serialization

    return damage._private_key(vectors.DEVICE_NUMBERS).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def test_a_damaged_slot_is_taken_as_it_is_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "slot.der"
    path.write_bytes(damage.erased_tail(SLOT))
    loaded = keystore.device_slot(path, damage.sound_slot)
    assert loaded.slot == damage.erased_tail(SLOT)
    assert loaded.note is not None
    path.write_bytes(noise(512))
    modulus, note = keystore.server_modulus(path)
    assert modulus == int.from_bytes(noise(512)[33:289], "big")
    assert note is not None


def test_another_kind_of_key_is_refused(folder: Path) -> None:
    keystore.cloud_key(folder)
    with pytest.raises(KeyFileError, match="no device's private key"):
        keystore.device_slot(folder / "cloud_private.pem", damage.sound_slot)
    keystore.device_slot(folder / f"{ID}.der", damage.sound_slot)
    with pytest.raises(KeyFileError, match="no cloud's key"):
        keystore.server_modulus(folder / f"{ID}.pub.pem")
    with pytest.raises(UnreadableInput, match="no such file"):
        keystore.server_modulus(folder / "missing.der")


@pytest.mark.parametrize(
    ("damages", "sends"),
    [
        (damage.erased_tail, "erased"),
        (damage.truncated, None),
        (damage.pkcs8_in_slot, "pkcs8"),
        (damage.ec_in_slot, "ec_key"),
        (damage.p_flipped, None),
    ],
)
def test_damage_leaves_its_mark(damages: Callable[[bytes], bytes], sends: str | None) -> None:
    slot = damages(SLOT)
    spki = spki_as_sent(slot)
    assert len(slot) == 612
    assert describe_sent_key(spki) == sends
    assert (spki == SOUND_SPKI) is (sends is None)
    assert not usable_for_decrypting(read_device_slot(slot))


def test_p_flipped_changes_one_bit_of_p() -> None:
    before, after = read_device_slot(SLOT), read_device_slot(damage.p_flipped(SLOT))
    assert (before.p ^ after.p).bit_count() == 1
    assert after._replace(p=before.p) == before


def test_another_key_is_sound() -> None:
    slot = damage.other_key(SLOT)
    assert usable_for_decrypting(read_device_slot(slot))
    assert read_device_slot(slot).n != read_device_slot(SLOT).n


def test_an_unlucky_key_is_sound_and_misread() -> None:
    slot = damage.unlucky_slot()
    file = read_key("key.der", slot)
    assert file.private is not None
    assert usable_for_decrypting(file.private)
    assert not file.firmware_usable
    assert read_device_slot(slot).n == file.n
    assert damage.need_unlucky(slot) == slot
    with pytest.raises(KeyFileError, match="reads this key rightly"):
        damage.need_unlucky(SLOT)


def test_what_is_damaged_already_cannot_be_rewritten() -> None:
    with pytest.raises(KeyFileError):
        damage.pkcs8_in_slot(noise(612))
