"""What faulty sides make of nonce, credentials, Hello and the chain of IVs."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa

from handshake_probe.keys.keyfile import CLOUD_BITS, DEVICE_BITS
from handshake_probe.keys.numbers import PUBLIC_EXPONENT, PrivateNumbers
from handshake_probe.protocol.coap import CoapMessage
from handshake_probe.protocol.layouts import BLOCK_SIZE, CIPHERTEXT_SIZE, NONCE_SIZE
from handshake_probe.protocol.seal import Entropy, Seal, credentials_hmac, encrypt, sign

PORTAL_PAGE = (
    b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/login\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
# DER of a SHA-1 DigestInfo up to the hash itself (RFC 8017, 9.2 note 1).
_DIGEST_INFO = bytes.fromhex("3021300906052b0e03021a05000414")
_SHORT = 20
_KEY_SIZE = 16


class NoNonce(Seal):
    """Says nothing in place of the nonce."""

    def nonce(self, entropy: Entropy) -> bytes:
        """Return nothing."""
        return b""


class ShortNonce(Seal):
    """Sends half a nonce."""

    def nonce(self, entropy: Entropy) -> bytes:
        """Return 20 bytes."""
        return super().nonce(entropy)[:_SHORT]


class LongNonce(Seal):
    """Sends one byte more, which the device then takes for the beginning of the credentials."""

    def nonce(self, entropy: Entropy) -> bytes:
        """Return 41 bytes."""
        return super().nonce(entropy) + entropy(1)


class TextNonce(Seal):
    """Greets as a captive portal does."""

    def nonce(self, entropy: Entropy) -> bytes:
        """Return an HTTP redirect."""
        return PORTAL_PAGE


class RepeatedNonce(Seal):
    """Sends the nonce of its first connection again and again."""

    def __init__(self) -> None:
        self._first = b""

    def nonce(self, entropy: Entropy) -> bytes:
        """Return the same 40 bytes every time."""
        self._first = self._first or super().nonce(entropy)
        return self._first


class ZeroNonce(Seal):
    """Has no random numbers."""

    def nonce(self, entropy: Entropy) -> bytes:
        """Return 40 zero bytes."""
        return bytes(NONCE_SIZE)


class ForeignDeviceKey(Seal):
    """Encrypts the credentials to a key that is not the device's."""

    def __init__(self, n: int | None = None) -> None:
        self._n = n or _new_numbers(DEVICE_BITS).n

    def credentials(
        self, n: int, e: int, session: bytes, signer: PrivateNumbers, entropy: Entropy
    ) -> bytes:
        """Return credentials for the other key, rightly signed."""
        return super().credentials(self._n, PUBLIC_EXPONENT, session, signer, entropy)


class CutCredentials(Seal):
    """Sends the ciphertext and stops."""

    def credentials(
        self, n: int, e: int, session: bytes, signer: PrivateNumbers, entropy: Entropy
    ) -> bytes:
        """Return the first 128 of 384 bytes."""
        return super().credentials(n, e, session, signer, entropy)[:CIPHERTEXT_SIZE]


class ForeignSignature(Seal):
    """Signs with a key that is not this cloud's."""

    def __init__(self, signer: PrivateNumbers | None = None) -> None:
        self._signer = signer or _new_numbers(CLOUD_BITS)

    def sign(self, signer: PrivateNumbers, mac: bytes) -> bytes:
        """Return the other key's signature."""
        return super().sign(self._signer, mac)


class DigestInfoSignature(Seal):
    """Signs as PKCS#1 says and devices do not expect: with a DigestInfo before the hash."""

    def sign(self, signer: PrivateNumbers, mac: bytes) -> bytes:
        """Return the signature over 35 bytes."""
        return super().sign(signer, _DIGEST_INFO + mac)


class WrongHmac(Seal):
    """Computes the HMAC with the AES key in place of all session bytes."""

    def credentials(
        self, n: int, e: int, session: bytes, signer: PrivateNumbers, entropy: Entropy
    ) -> bytes:
        """Return credentials whose signed HMAC is another one."""
        ciphertext = encrypt(n, e, session, entropy)
        return ciphertext + sign(signer, credentials_hmac(session[:_KEY_SIZE], ciphertext))


class LastBlockIv(Seal):
    """Chains records as CBC usually does; it shows in the record after a longer one."""

    def next_iv(self, initial: bytes, ciphertext: bytes) -> bytes:
        """Return the last 16 bytes."""
        return ciphertext[-BLOCK_SIZE:]


class ConstantIv(Seal):
    """Starts every record with the session's IV; it shows from the second record on."""

    def next_iv(self, initial: bytes, ciphertext: bytes) -> bytes:
        """Return the IV of the first record."""
        return initial


class NoHello(Seal):
    """Never answers the peer's Hello."""

    def hello(self, message: CoapMessage) -> CoapMessage | None:
        """Return none."""
        return None


def _new_numbers(bits: int) -> PrivateNumbers:
    key = rsa.generate_private_key(PUBLIC_EXPONENT, bits).private_numbers()
    n, e = key.public_numbers.n, key.public_numbers.e
    return PrivateNumbers(n, e, key.d, key.p, key.q, key.dmp1, key.dmq1, key.iqmp)
