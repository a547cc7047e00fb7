"""The compiled reader: built as a build does it, and run under sanitizers where there is a gcc."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from handshake_probe.capture import sift
from handshake_probe.capture.sieve import PythonSieve, Selection
from sanitizing import ROOT, needs_compiler, run_sanitized, sanitized

NOTHING = Selection(frozenset(), frozenset())


def builder() -> ModuleType:
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copy_sources(folder: Path) -> None:
    for source in sift.SOURCES:
        shutil.copy(source, folder)


@needs_compiler
def test_what_is_built_is_what_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = builder()
    copy_sources(tmp_path)
    (tmp_path / "sift-0123.so").touch()
    monkeypatch.setattr(module, "CAPTURE", tmp_path)
    built = module.compile_in_place()
    assert [path.name for path in tmp_path.glob("*.so")] == [sift.library_path().name]
    assert sift.load(built) is not None


@pytest.mark.parametrize("compiler", ["false", "/nonexistent/cc --really"])
def test_a_build_without_compiler_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str
) -> None:
    module = builder()
    copy_sources(tmp_path)
    monkeypatch.setattr(module, "CAPTURE", tmp_path)
    monkeypatch.setenv("CC", compiler)
    assert module.compile_in_place() is None
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in sift.SOURCES}


def test_without_the_library_python_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "none.so"
    monkeypatch.setattr(sift, "library_path", lambda: library)
    sift.load.cache_clear()
    try:
        assert isinstance(sift.make_sieve(NOTHING), PythonSieve)
        sift.load.cache_clear()
        library.write_bytes(b"no library")
        assert isinstance(sift.make_sieve(NOTHING), PythonSieve)
    finally:
        sift.load.cache_clear()


# Buffers end where their memory ends, and the sanitizer watches every byte behind it.
UNDER_SANITIZERS = """
import ctypes, random, struct, sys
from pathlib import Path
from frames import CAPTURES, enhanced, ethernet, ipv4, ipv6, inet, tcp
from handshake_probe.capture import sift
from handshake_probe.capture.sieve import LINKS, PythonSieve, Selection

library = sift.load(Path(sys.argv[1]))
assert library is not None
for walk in (library.sift_pcap, library.sift_pcapng):
    walk.argtypes = (
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_size_t,
        ctypes.c_uint64,
    )
dice = random.Random(5)
source = bytes([203, 0, 113, 9])
selections = [
    Selection(frozenset({53, 5683}), frozenset({53})),
    Selection(frozenset({53}), frozenset(), False, frozenset({source}), frozenset({9})),
]
packets = [
    bytes(ethernet() / ipv4() / tcp(dport=443)),
    bytes(ethernet() / ipv6() / tcp(dport=443)),
    bytes(ethernet() / ipv4(src="203.0.113.9") / inet.UDP(sport=9, dport=9)),
    bytes(ethernet() / ipv4() / tcp()),
]
links = [*LINKS, 0]
for number in range(4000):
    link = dice.choice(links) if number % 3 else 1
    parts = []
    for _ in range(dice.randrange(1, 5)):
        data = dice.choice(packets)[: dice.choice((2000, 2000, dice.randrange(80)))]
        head = struct.pack("<IIII", dice.getrandbits(32), dice.getrandbits(32), len(data), 0)
        parts.append(head + data if number % 2 else enhanced(data, dice.getrandbits(63)))
    content = bytearray(b"".join(parts))
    for _ in range(dice.choice((0, 0, 1, 4))):
        content[dice.randrange(len(content))] = dice.choice((0, 1, 255, dice.randrange(256)))
    content = bytes(content[: dice.choice((len(content), dice.randrange(len(content) + 1)))])
    held = (ctypes.c_char * len(content)).from_buffer_copy(content)
    selection = dice.choice(selections)
    one, other = PythonSieve(selection), sift.CompiledSieve(selection, library)
    order = dice.choice("<<<>")
    for sieve in (one, other):
        sieve.begin(order)
    for unit in (dice.choice((1, 1000)), 0):
        one.add_interface(link, unit)
        other.add_interface(link, unit)
    for name in ("pcap", "pcapng"):
        for at in {0, dice.randrange(len(content) + 1)}:
            expected = getattr(one, "walk_" + name)(content, at, 0)
            got = getattr(library, "sift_" + name)(other._address, held, len(content), at, 0)
            assert got == expected, (number, name, at, got, expected)
print("walked")
"""


@needs_compiler
def test_under_sanitizers(tmp_path: Path) -> None:
    done = run_sanitized(UNDER_SANITIZERS, str(sanitized(tmp_path)))
    assert done.stdout == "walked\n", done.stderr[-3000:]
