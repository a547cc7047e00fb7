"""Records opened: AES-128-CBC with PKCS#7 padding and the protocol's own chain of IVs.

The IV of a record is the FIRST 16 bytes of the ciphertext before it, not the last as in plain
CBC chaining; the first record of each direction takes the session's. There is no integrity check
but the padding.
"""

from __future__ import annotations

from typing import NamedTuple, Self

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from handshake_probe.protocol.layouts import BLOCK_SIZE, Session
from handshake_probe.protocol.records import Record


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
        ciphertext = record.ciphertext
        if ciphertext is None or record.problem is not None:
            return None
        iv = self._iv if record.first else record.iv
        # Without an IV every block but the first decrypts all the same.
        chain = (iv or bytes(BLOCK_SIZE)) + ciphertext[:-BLOCK_SIZE]
        blocks = int.from_bytes(self._blocks.update(ciphertext), "big")
        padded = (blocks ^ int.from_bytes(chain, "big")).to_bytes(len(ciphertext), "big")
        if iv is None:
            padded = padded[BLOCK_SIZE:]
            if not padded:
                return None
        padding = padded[-1]
        if not 1 <= padding <= BLOCK_SIZE or padded[-padding:] != bytes((padding,)) * padding:
            return Opened(None, iv is None, "padding")
        plaintext = padded[:-padding]
        if not plaintext:
            return None if iv is None else Opened(None, False, "empty")
        return Opened(plaintext, iv is None, None)


def open_record(session: Session, record: Record) -> Opened | None:
    """Decrypt one record; see `SessionCipher.open`."""
    return SessionCipher(session).open(record)
