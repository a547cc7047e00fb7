"""What a side sends, built from its parts: padding, identity, credentials, signature, records.

Every function does one thing and can be misused on purpose; `Seal` puts them together as real
sides do. A laboratory overrides its methods to play a faulty one.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from handshake_probe.errors import LocalProtocolError
from handshake_probe.keys.firmware import server_modulus_usable
from handshake_probe.keys.numbers import PUBLIC_EXPONENT, PrivateNumbers, byte_length
from handshake_probe.keys.rsa import private_operation, public_operation
from handshake_probe.protocol.coap import CoapMessage
from handshake_probe.protocol.layouts import BLOCK_SIZE, LENGTH_SIZE, NONCE_SIZE, SESSION_SIZE

Entropy = Callable[[int], bytes]  # returns as many bytes as asked for

_MIN_PADDING = 8
_BLOCK_OVERHEAD = 3  # 00, block type, 00


def nonzero_bytes(length: int, entropy: Entropy) -> bytes:
    """Draw `length` bytes without a zero: what is drawn and is zero is drawn again."""
    out = b""
    while len(out) < length:
        out += draw(entropy, length - len(out)).replace(b"\0", b"")
    return out


def draw(entropy: Entropy, length: int) -> bytes:
    """Draw bytes; raise LocalProtocolError when `entropy` does not give as many."""
    out = entropy(length)
    if len(out) != length:
        raise LocalProtocolError(f"entropy gave {len(out)} bytes instead of {length}")
    return out


def encryption_block(plaintext: bytes, size: int, entropy: Entropy) -> bytes:
    """Return `00 02 | non-zero random bytes | 00 | plaintext`, `size` bytes (RFC 8017 7.2.1).

    Raises LocalProtocolError when fewer than 8 bytes are left for the padding.
    """
    padding = nonzero_bytes(_padding_size(plaintext, size), entropy)
    return b"\0\2" + padding + b"\0" + plaintext


def signature_block(body: bytes, size: int) -> bytes:
    """Return `00 01 | FF … | 00 | body`, `size` bytes; `body` is the bare hash, no DigestInfo.

    Raises LocalProtocolError when fewer than 8 bytes are left for the padding.
    """
    return b"\0\1" + b"\xff" * _padding_size(body, size) + b"\0" + body


def encrypt(n: int, e: int, plaintext: bytes, entropy: Entropy) -> bytes:
    """Encrypt to a public key, PKCS#1 v1.5: as many bytes as n has.

    Raises LocalProtocolError when n is too short for the plaintext.
    """
    return public_operation(n, e, encryption_block(plaintext, byte_length(n), entropy))


def identity_plaintext(nonce: bytes, device_id: bytes, spki: bytes | None) -> bytes:
    """Return nonce(40) | device id(12) [| SPKI(162)]; None is the short form."""
    return nonce + device_id + (spki or b"")


def credentials_hmac(session: bytes, ciphertext: bytes) -> bytes:
    """Return HMAC-SHA1, 20 bytes: the key is all 40 session bytes, the data the ciphertext."""
    return hmac.digest(session, ciphertext, "sha1")


def sign(numbers: PrivateNumbers, body: bytes) -> bytes:
    """Return the private-key operation on the signature block of `body`: 256 bytes for 2048 bits.

    Raises LocalProtocolError when the key is too short for the body.
    """
    return private_operation(numbers, signature_block(body, byte_length(numbers.n)))


def pad(plaintext: bytes) -> bytes:
    """Add PKCS#7 padding, 1 to 16 bytes."""
    length = BLOCK_SIZE - len(plaintext) % BLOCK_SIZE
    return plaintext + bytes((length,)) * length


def encrypt_record(key: bytes, iv: bytes, plaintext: bytes) -> bytes:
    """Return a record's ciphertext: AES-128-CBC over the padded plaintext."""
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(pad(plaintext)) + encryptor.finalize()


def frame_record(ciphertext: bytes) -> bytes:
    """Return `LEN(2, big-endian) | ciphertext`, to be written in one call.

    Raises LocalProtocolError for more than 65535 bytes.
    """
    try:
        return len(ciphertext).to_bytes(LENGTH_SIZE, "big") + ciphertext
    except OverflowError:
        raise LocalProtocolError(f"a record cannot hold {len(ciphertext)} bytes") from None


class Seal:
    """How a side makes what it sends; the methods of this class do it right.

    A method may return fewer or other bytes than it should, and none at all to stay silent.
    """

    def nonce(self, entropy: Entropy) -> bytes:
        """Return the cloud's nonce: 40 random bytes."""
        return draw(entropy, NONCE_SIZE)

    def identity(
        self,
        server_modulus: int,
        nonce: bytes,
        device_id: bytes,
        spki: bytes | None,
        entropy: Entropy,
    ) -> bytes | None:
        """Return a device's identity, 256 bytes; None when its RSA code refuses the modulus."""
        if not server_modulus_usable(server_modulus):
            return None
        plaintext = identity_plaintext(nonce, device_id, spki)
        return encrypt(server_modulus, PUBLIC_EXPONENT, plaintext, entropy)

    def session(self, entropy: Entropy) -> bytes:
        """Return what a cloud takes as session material: key(16) | iv(16) | salt(8)."""
        return draw(entropy, SESSION_SIZE)

    def credentials(
        self, n: int, e: int, session: bytes, signer: PrivateNumbers, entropy: Entropy
    ) -> bytes:
        """Return the cloud's credentials: ciphertext(128) | signature(256).

        `n` and `e` are the device's public key as registered; the ciphertext is as long as n.
        """
        ciphertext = encrypt(n, e, session, entropy)
        return ciphertext + self.sign(signer, credentials_hmac(session, ciphertext))

    def sign(self, signer: PrivateNumbers, mac: bytes) -> bytes:
        """Return the signature over an HMAC (20 bytes)."""
        return sign(signer, mac)

    def next_iv(self, initial: bytes, ciphertext: bytes) -> bytes:
        """Return the IV of the record after `ciphertext`: its first 16 bytes.

        `initial` is the session's IV, for chains that go wrong.
        """
        return ciphertext[:BLOCK_SIZE]

    def hello(self, message: CoapMessage) -> CoapMessage | None:
        """Return the Hello to send in place of `message`; None to say none."""
        return message


def _padding_size(content: bytes, size: int) -> int:
    length = size - _BLOCK_OVERHEAD - len(content)
    if length < _MIN_PADDING:
        raise LocalProtocolError(f"{len(content)} bytes do not fit an RSA block of {size}")
    return length
