"""`keys` as a user meets it: output, exit codes, files left alone."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from handshake_probe.cli import main
from handshake_probe.keys.fingerprint import spki
from handshake_probe.model.keycheck import keys_json_schema
from keypool import as_openssl, key_of, pool

KEY = key_of(*pool()[:2])
DER = as_openssl(KEY)
SLOT = DER.ljust(612, b"\xff")
PUBLIC = spki(KEY[0], KEY[1])
ID = "e00fce68a1b2c3d4e5f60718"

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / f"{ID}.der").write_bytes(SLOT)
    (tmp_path / f"{ID}.pub.der").write_bytes(PUBLIC)
    (tmp_path / "flipped.bin").write_bytes(SLOT[:320] + bytes([SLOT[320] ^ 4]) + SLOT[321:])
    (tmp_path / "notes.txt").write_text("what I did on Sunday")
    for path in tmp_path.iterdir():
        path.chmod(0o600)
    return tmp_path


def document(capsys: Captured, *arguments: str) -> Any:
    main(["keys", "check", "--format", "json", *arguments])
    out, _ = capsys.readouterr()
    assert out.count("\n") == 1
    found = json.loads(out)
    jsonschema.validate(found, keys_json_schema())
    assert found["schema"] == "handshake-probe/keys/1"
    return found


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ([f"{ID}.der"], 0),
        ([f"{ID}.der", f"{ID}.pub.der"], 0),
        (["flipped.bin"], 1),
        ([f"{ID}.der", "flipped.bin"], 1),
        (["notes.txt"], 2),
        ([f"{ID}.der", "notes.txt"], 0),  # named, and no key: the keys were checked
        (["nothing.der"], 2),
        (["flipped.bin", "nothing.der"], 2),
        (["."], 1),
    ],
)
def test_exit_codes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, names: list[str], code: int
) -> None:
    monkeypatch.chdir(folder)
    assert main(["keys", "check", *names]) == code


def test_every_way_to_read_a_file_leaves_it_as_it_was(folder: Path, capsys: Captured) -> None:
    def state() -> dict[str, tuple[str, int, int]]:
        return {
            path.name: (
                hashlib.sha256(path.read_bytes()).hexdigest(),
                path.stat().st_mode,
                path.stat().st_mtime_ns,
            )
            for path in folder.iterdir()
        }

    before = state()
    main(["keys", "check", str(folder)])
    main(["keys", "convert", str(folder / "flipped.bin"), "--to", "pem"])
    assert state() == before


@pytest.mark.parametrize("columns", [40, 80])
def test_text_fits_the_page_and_holds_no_secret(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.chdir(folder)
    main(["keys", "check", "."])
    out, err = capsys.readouterr()
    assert "HP715" in out
    assert "byte 320" in out.replace("\n", " ").replace("  ", " ") or columns == 40
    prose = [line for line in out.splitlines() if "openssl" not in line and "keys " not in line]
    assert max(map(len, prose)) <= columns
    for number in KEY[2:]:
        assert f"{number:x}"[:24] not in out + err
        assert str(number)[:24] not in out + err


def test_the_matrix_shows_pairs_and_mismatches(folder: Path, capsys: Captured) -> None:
    found = document(capsys, str(folder))
    names = [Path(file["source"]).name for file in found["files"]]
    assert "notes.txt" not in names  # in a folder, what is no key is passed over
    told = {(names[t["first"]], names[t["second"]]): t["relation"] for t in found["ties"]}
    assert told[f"{ID}.der", f"{ID}.pub.der"] == "pair"
    assert found["verdict"] == "defect"
    flipped = found["files"][names.index("flipped.bin")]
    assert [defect["code"] for defect in flipped["defects"]] == ["HP715"]
    assert flipped["defects"][0]["hurts"] == "both"
    assert (flipped["firmware"], flipped["tools"]) == ("unusable", "refuse")


def test_more_files_than_a_matrix_holds_are_grouped(tmp_path: Path, capsys: Captured) -> None:
    for number in range(15):
        key = key_of(pool()[number], pool()[number + 1])
        (tmp_path / f"{number:024x}.der").write_bytes(as_openssl(key))
        (tmp_path / f"{number:024x}.pub.der").write_bytes(spki(key[0], key[1]))
    main(["keys", "check", str(tmp_path)])
    out, _ = capsys.readouterr()
    assert "one key: files 1, 2" in out
    assert len(document(capsys, str(tmp_path))["ties"]) == 15


def test_a_device_id_can_be_given(folder: Path, capsys: Captured) -> None:
    found = document(capsys, str(folder / "flipped.bin"), "--device-id", ID.upper())
    assert found["files"][0]["device_id"] == ID
    assert main(["keys", "check", str(folder), "--device-id", "e00f"]) == 2


def test_a_private_key_open_to_everybody_is_named(folder: Path, capsys: Captured) -> None:
    for name in (f"{ID}.der", f"{ID}.pub.der"):
        (folder / name).chmod(0o644)
    assert main(["keys", "check", str(folder / f"{ID}.der"), str(folder / f"{ID}.pub.der")]) == 0
    _, err = capsys.readouterr()
    assert "HP733" in err
    assert f"{ID}.der" in err
    assert f"{ID}.pub.der" not in err


def test_names_with_control_characters_are_shown_harmless(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "a\x1b[31m.der"
    path.write_bytes(DER)
    path.chmod(0o644)
    main(["keys", "check", str(path)])
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    path = tmp_path / os.fsdecode(b"\xff.der")
    path.write_bytes(DER)
    document(capsys, str(path))


def test_convert_writes_a_new_private_file_and_overwrites_none(
    folder: Path, capsys: Captured
) -> None:
    previous = os.umask(0)
    try:
        assert main(["keys", "convert", str(folder / f"{ID}.der"), "--to", "pem"]) == 0
        assert main(["keys", "convert", str(folder / f"{ID}.pub.der"), "--to", "pem"]) == 0
    finally:
        os.umask(previous)
    target, public = folder / f"{ID}.pem", folder / f"{ID}.pub.pem"
    assert capsys.readouterr().out == f"{target}\n{public}\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    assert main(["keys", "check", str(target), str(public)]) == 0
    before = target.read_bytes()
    assert main(["keys", "convert", str(folder / "flipped.bin"), "--to", "slot", "-o", str(target)])
    assert main(["keys", "convert", str(folder / f"{ID}.der"), "--to", "slot", "-o", str(target)])
    assert target.read_bytes() == before
    link = folder / "link.der"
    link.symlink_to(folder / "elsewhere.der")
    assert main(["keys", "convert", str(target), "--to", "der", "-o", str(link)]) == 2
    assert not (folder / "elsewhere.der").exists()


def test_every_code_of_a_check_can_be_explained(folder: Path, capsys: Captured) -> None:
    found = document(capsys, str(folder))
    for file in found["files"]:
        for defect in file["defects"]:
            assert main(["explain", defect["code"]]) == 0


def test_the_schema_of_the_document_can_be_had(capsys: Captured) -> None:
    assert main(["schema", "keys"]) == 0
    assert json.loads(capsys.readouterr().out) == keys_json_schema()
