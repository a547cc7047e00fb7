"""Records opened: AES-128-CBC with PKCS#7 padding and the protocol's own chain of IVs.

The IV of a record is the FIRST 16 bytes of the ciphertext before it, not the last as in plain
CBC chaining; the first record of each direction takes the session's. There is no integrity check
but the padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from handshake_probe.protocol.layouts import BLOCK_SIZE, Session
from handshake_probe.protocol.records import Record

_UNKNOWN = bytes(BLOCK_SIZE)
_PADDINGS = {size: bytes((size,)) * size for size in range(1, BLOCK_SIZE + 1)}


class Opened(NamedTuple):
    """A decrypted record: either `plaintext` or `problem` is set."""

    plaintext: bytes | None  # without padding, never empty
    truncated_head: bool  # the IV is unknown: `plaintext` begins at byte 16
    problem: str | None  # "padding" or "empty"


class SessionCipher:
    """Opens the records of one session, in any order.

    One cipher object serves them all: CBC is each block decrypted alone, then combined with the
    block before it. Making an object takes longer than decrypting a record.
    """

    def __init__(self, session: Session) -> None:
        self._iv = session.iv
        self._blocks = Cipher(algorithms.AES(session.key), modes.ECB()).decryptor()

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return itself: no record changes it, and OpenSSL's object cannot be copied."""
        return self

    def open(self, record: Record) -> Opened | None:
        """Decrypt a record; None when nothing of it can be known.

        That is a record with a gap or of a wrong length, and one of a single block whose IV is
        lost.
        """
        if record.ciphertext is None or record.problem is not None:
            return None
        return self.open_all([record])[0]

    def open_all(self, records: Sequence[Record]) -> list[Opened | None]:
        """Decrypt records of either direction, whole and of legal lengths, in one go; see `open`.

        A call of OpenSSL takes as long as twenty blocks, so one serves them all.
        """
        ivs = [self._iv if record.first else record.iv for record in records]
        ciphertexts = [record.ciphertext or b"" for record in records]
        chain: list[bytes] = []
        for iv, ciphertext in zip(ivs, ciphertexts, strict=True):
            # Without an IV every block but the first decrypts all the same.
            chain += iv or _UNKNOWN, ciphertext[:-BLOCK_SIZE]
        joined = b"".join(ciphertexts)
        blocks = int.from_bytes(self._blocks.update(joined), "big")
        padded = (blocks ^ int.from_bytes(b"".join(chain), "big")).to_bytes(len(joined), "big")
        opened, at = [], 0
        for iv, ciphertext in zip(ivs, ciphertexts, strict=True):
            end = at + len(ciphertext)
            opened.append(_unpadded(padded[at:end], headless=iv is None))
            at = end
        return opened


def _unpadded(padded: bytes, *, headless: bool) -> Opened | None:
    if headless:
        padded = padded[BLOCK_SIZE:]
        if not padded:
            return None
    padding = _PADDINGS.get(padded[-1])
    if padding is None or not padded.endswith(padding):
        return Opened(None, headless, "padding")
    plaintext = padded[: -len(padding)]
    if not plaintext:
        return None if headless else Opened(None, False, "empty")
    return Opened(plaintext, headless, None)


def open_record(session: Session, record: Record) -> Opened | None:
    """Decrypt one record; see `SessionCipher.open`."""
    return SessionCipher(session).open(record)
