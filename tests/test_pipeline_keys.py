"""Key files and folders as the user gives them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from handshake_probe import pipeline
from handshake_probe.errors import KeyFileError, UnreadableInput
from handshake_probe.pipeline import load_keys
from handshake_probe.pipeline.keyfiles import KEY_FILE_LIMIT

CAPTURES = Path(__file__).parent.parent / "captures"
FOLDER = CAPTURES / "healthy-brewskey-device-os-1.0.0.keys"
PUBLIC, PRIVATE = FOLDER / "cloud_public.der", FOLDER / "cloud_private.pem"
OTHER_CLOUD = CAPTURES / "wrong-server-key-after-server-changed-its-key.keys" / "cloud_public.der"


def ec_key() -> bytes:
    public = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_folder_gives_each_file_the_role_its_content_says() -> None:
    keyring, notes = load_keys([str(FOLDER)], [])
    assert notes == []
    (cloud,) = keyring.cloud  # both halves of one key
    assert cloud.private is not None
    assert not cloud.named
    assert [key.device_id for key in keyring.devices] == ["ed48b8a5fa820999bbc072f9"]
    assert len(keyring.registered) == 2
    assert keyring.has_register


def test_a_folder_without_a_key_is_noted(tmp_path: Path) -> None:
    keyring, notes = load_keys([str(tmp_path)], [])
    assert notes == [f"{tmp_path}: no key in it"]
    assert keyring.devices == load_keys([], [])[0].devices


def test_a_single_file_gives_one_key() -> None:
    keyring, notes = load_keys([str(PUBLIC)], [])
    assert (len(keyring.cloud), keyring.devices, keyring.registered) == (1, (), ())
    assert keyring.cloud[0].private is None
    assert notes == []


def test_nothing_given_is_an_empty_keyring() -> None:
    keyring, notes = load_keys([], [])
    assert (keyring.cloud, keyring.devices, keyring.registered, notes) == ((), (), (), [])


def test_what_is_no_key_in_a_folder_is_noted_and_passed_over(tmp_path: Path) -> None:
    shutil.copy(PUBLIC, tmp_path)
    (tmp_path / "notes.txt").write_text("what I did on Sunday")
    (tmp_path / "empty.der").write_bytes(b"")
    (tmp_path / "big.bin").write_bytes(bytes(KEY_FILE_LIMIT + 1))
    (tmp_path / ".hidden").write_text("passed over without a word")
    (tmp_path / "folder").mkdir()
    keyring, notes = load_keys([str(tmp_path)], [])
    assert len(keyring.cloud) == 1
    assert len(notes) == 3
    assert [note.split(":")[0] for note in notes] == ["big.bin", "empty.der", "notes.txt"]
    assert not any("\n" in note for note in notes)


def test_a_file_that_was_named_must_be_a_key(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("what I did on Sunday")
    with pytest.raises(KeyFileError, match=r"notes\.txt"):
        load_keys([str(text)], [])
    with pytest.raises(KeyFileError, match=r"notes\.txt"):
        load_keys([], [str(text)])


def test_a_file_too_large_for_a_key_is_refused(tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(KEY_FILE_LIMIT + 1))
    with pytest.raises(KeyFileError, match=r"too large"):
        load_keys([str(big)], [])


@pytest.mark.parametrize("named", [True, False])
def test_a_path_that_does_not_exist_is_an_unreadable_input(tmp_path: Path, named: bool) -> None:
    missing = [str(tmp_path / "nothing.der")]
    with pytest.raises(UnreadableInput, match=r"nothing\.der: No such file"):
        load_keys([] if named else missing, missing if named else [])


def test_a_folder_cannot_be_named_as_the_clouds_key(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput):
        load_keys([], [str(tmp_path)])


def test_an_elliptic_curve_key_is_noted(tmp_path: Path) -> None:
    (tmp_path / "udp.der").write_bytes(ec_key())
    keyring, notes = load_keys([str(tmp_path)], [])
    assert keyring.cloud == ()
    (note,) = notes
    assert note.startswith("udp.der: ")
    assert "UDP 5684" in note


def test_an_elliptic_curve_key_is_no_clouds_key(tmp_path: Path) -> None:
    path = tmp_path / "udp.der"
    path.write_bytes(ec_key())
    with pytest.raises(KeyFileError, match=r"udp\.der"):
        load_keys([], [str(path)])


def test_a_named_key_is_surely_the_clouds() -> None:
    keyring, _ = load_keys([str(FOLDER)], [str(PUBLIC)])
    (cloud,) = keyring.cloud
    assert cloud.named
    assert cloud.private is not None  # from the folder
    both, _ = load_keys([str(FOLDER)], [str(OTHER_CLOUD)])
    assert [key.named for key in both.cloud] == [False, True]


def test_a_device_key_is_no_clouds_key() -> None:
    device = next(FOLDER.glob("*.pub.pem"))
    with pytest.raises(KeyFileError):
        load_keys([], [str(device)])


def test_the_document_names_keys_by_fingerprint_and_role_only() -> None:
    keyring, _ = load_keys([str(FOLDER)], [])
    capture = CAPTURES / "healthy-brewskey-device-os-1.0.0.pcap"
    used = pipeline.analyze(str(capture), keyring=keyring).keys
    assert [key.role for key in used] == [
        "cloud_private",
        "device_private",
        "registered",
        "registered",
    ]
    assert all(key.fingerprint.startswith("sha256:") for key in used)
    assert len(used[0].fingerprint) == len("sha256:") + 16


def test_the_built_in_key_is_named_only_where_it_applies() -> None:
    capture = CAPTURES / "healthy-brewskey-device-os-1.0.0.pcap"
    keyring, _ = load_keys([], [])
    assert pipeline.analyze(str(capture), keyring=keyring).keys == []


ID, STRANGER = "e00fce68a1b2c3d4e5f60718", "e00fce680000000000000001"


def lay_out(root: Path, cloud: str, devices: str) -> Path:
    """A server's folder: its own key, the register, and what else lies there."""
    public = next(FOLDER.glob("*.pub.pem"))
    for place in (cloud, devices):
        (root / place).mkdir(parents=True, exist_ok=True)
    shutil.copy(PRIVATE, root / cloud / "default_key.pem")
    shutil.copy(public, root / devices / f"{ID}.pub.pem")
    shutil.copy(public, root / devices / f"{STRANGER}_handshake.pub.pem")
    (root / devices / f"{ID}.json").write_text('{"deviceID": 1}')
    library = root / "node_modules" / "rsa" / "test"
    library.mkdir(parents=True)
    shutil.copy(OTHER_CLOUD, library / "some.der")
    return root


@pytest.mark.parametrize(
    ("cloud", "devices"),
    [(".", "core_keys"), ("data/users", "data/deviceKeys"), ("data", "data/deviceKeys")],
)
def test_a_servers_folder_is_taken_as_it_lies(tmp_path: Path, cloud: str, devices: str) -> None:
    keyring, notes = load_keys([str(lay_out(tmp_path, cloud, devices))], [])
    assert len(keyring.cloud) == 1
    assert keyring.cloud[0].private is not None
    assert [key.device_id for key in keyring.registered] == [ID]
    (note,) = notes  # the saved key of a stranger registers nobody; JSON is not worth a word
    assert STRANGER in note


def test_folders_in_folders_are_read_to_some_depth_and_links_not_followed(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*"abcdefgh")
    deep.mkdir(parents=True)
    shutil.copy(PUBLIC, deep)
    (tmp_path / "again").symlink_to(tmp_path)
    keyring, notes = load_keys([str(tmp_path)], [])
    assert (keyring.cloud, notes) == ((), [f"{tmp_path}: no key in it"])


def test_many_files_without_keys_are_counted(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.txt").write_text("nothing")
    _, notes = load_keys([str(tmp_path)], [])
    assert len(notes) == 4
    assert "6 more files hold no key" in notes[-1]
