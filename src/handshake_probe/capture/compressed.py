"""Captures inside gzip, zstd, xz, bzip2 and LZ4 files, decompressed as they are read.

Memory stays bounded whatever the file claims. Reading stops where a file expands beyond what
captures do: such a file was made to fill memory or time.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol, cast

from handshake_probe.capture.source import CHUNK, DamageError, FileBytes

# Captures shrink to a third, very repetitive ones to a thirtieth.
FREE_LENGTH = 32 << 20  # bytes of content that are never questioned
RATIO_LIMIT = 50
LENGTH_LIMIT = 1 << 38
_MEMORY_LIMIT = 96 << 20  # bytes for xz's dictionary; `xz -9` needs 65 MiB
_ZSTD_WINDOW_LOG = 27  # 128 MiB, what zstd itself accepts unasked
_MAGIC_LENGTH = 6
MAGICS: dict[bytes, str] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x04\x22\x4d\x18": "lz4",
}


class UnknownCompression(Exception):
    """The library for a compression is not installed; the message names it."""


class _Decompressor(Protocol):
    """The interface that the standard library's decompressors share."""

    eof: bool
    needs_input: bool
    unused_data: bytes | None

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def compression_of(head: bytes) -> str | None:
    """Name the compression of a file by its first bytes; None for none known."""
    return next((name for magic, name in MAGICS.items() if head.startswith(magic)), None)


def decompressed(name: str, head: bytes, source: FileBytes) -> Iterator[bytes]:
    """Yield the content in chunks of at most 1 MiB; several members follow one another.

    Args:
        name: as `compression_of` says.
        head: the first bytes of the file, already taken from `source`.
        source: where the rest comes from.

    Raises:
        UnknownCompression: (at once) the library for it is missing.
        DamageError: (while iterating) the compressed data end early or are damaged, or expand
            beyond the limits. Everything before was yielded.
    """
    make = _MAKERS[name]()
    return _content(name, make, head, source)


def _content(
    name: str, make: Callable[[], _Decompressor], data: bytes, source: FileBytes
) -> Iterator[bytes]:
    machine = make()
    length = 0
    while True:
        if machine.eof:
            data = machine.unused_data or b""
            if len(data) < _MAGIC_LENGTH:
                data += source.read()
            if compression_of(data) != name:
                return  # the end, or padding behind the last member
            machine = make()
        elif not data and machine.needs_input and not (data := source.read()):
            raise DamageError(f"{name} data end early", source.position, truncated=True)
        try:
            chunk = machine.decompress(data, CHUNK)
        except Exception as error:  # each library has its own exceptions
            words = f"{name} data are damaged ({type(error).__name__})"
            raise DamageError(words, source.position) from error
        data = b""
        length += len(chunk)
        if length > LENGTH_LIMIT or length > max(FREE_LENGTH, RATIO_LIMIT * source.position):
            raise DamageError(f"{name} data expand beyond all measure", source.position)
        if chunk:
            yield chunk


class _Zlib:
    """The standard library's zlib with the interface of its other decompressors."""

    def __init__(self) -> None:
        self._machine = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._machine.eof

    @property
    def needs_input(self) -> bool:
        return not self._machine.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._machine.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._machine.decompress(self._machine.unconsumed_tail + data, max_length)


def _gzip() -> Callable[[], _Decompressor]:
    try:
        from isal import igzip_lib
    except ImportError:  # no wheel for this platform: slower, not less right
        return cast("Callable[[], _Decompressor]", _Zlib)
    return lambda: cast("_Decompressor", igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP))


def _xz() -> Callable[[], _Decompressor]:
    import lzma

    return lambda: cast("_Decompressor", lzma.LZMADecompressor(memlimit=_MEMORY_LIMIT))


def _bzip2() -> Callable[[], _Decompressor]:
    import bz2

    return lambda: cast("_Decompressor", bz2.BZ2Decompressor())


def _zstd() -> Callable[[], _Decompressor]:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise UnknownCompression("zstd data, and the package backports-zstd is missing") from None
    options = {int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW_LOG}
    return lambda: cast("_Decompressor", zstd.ZstdDecompressor(options=options))


def _lz4() -> Callable[[], _Decompressor]:
    try:
        from lz4.frame import LZ4FrameDecompressor
    except ImportError:
        raise UnknownCompression("lz4 data, and the package lz4 is missing") from None
    return lambda: cast("_Decompressor", LZ4FrameDecompressor())


_MAKERS: dict[str, Callable[[], Callable[[], _Decompressor]]] = {
    "gzip": _gzip,
    "zstd": _zstd,
    "xz": _xz,
    "bzip2": _bzip2,
    "lz4": _lz4,
}
