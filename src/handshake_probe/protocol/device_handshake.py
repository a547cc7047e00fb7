"""A device's side up to its Hello: what its firmware makes of nonce, credentials and records."""

from __future__ import annotations

from handshake_probe.keys.fingerprint import fingerprint
from handshake_probe.keys.keyring import CloudKey, Keyring
from handshake_probe.keys.numbers import PUBLIC_EXPONENT
from handshake_probe.keys.rsa import private_operation_as_firmware
from handshake_probe.protocol import layouts, requests
from handshake_probe.protocol.device_errors import DeviceError
from handshake_probe.protocol.events import (
    BlockState,
    CredentialsReceived,
    CredentialsShort,
    CredentialsTest,
    IdentitySent,
    NonceReceived,
    NonceShort,
)
from handshake_probe.protocol.nonce import inspect_nonce, looks_like
from handshake_probe.protocol.pkcs1 import ENCRYPTED, open_block
from handshake_probe.protocol.played import PlayedSide, mark, when
from handshake_probe.protocol.played_events import (
    CloseReason,
    Timer,
)
from handshake_probe.protocol.seal import Entropy, Seal, credentials_hmac, draw
from handshake_probe.protocol.settings import DeviceSettings, Generation
from handshake_probe.protocol.state import Phase, Role, Step
from handshake_probe.protocol.trials import SignatureTrials, try_signature

_EXCERPT = 120
_TOKEN_AT = 2  # in the salt, classic firmware
_STALE = b"\xff"  # what a plaintext that is too short leaves unwritten; zeros would pass the HMAC


class DeviceHandshake(PlayedSide):
    """The steps of a device, and the framing of what follows them."""

    def __init__(self, settings: DeviceSettings, entropy: Entropy, seal: Seal) -> None:
        super().__init__(Role.DEVICE, entropy, seal)
        self.settings = settings
        self.plaintext_max = settings.traits.plaintext_max
        self._traits = settings.traits

    def start(self, now: float) -> None:
        """Wait for the nonce."""
        self.phase = Phase.HANDSHAKE
        self.timers.arm(Timer.NONCE, now, self.settings.read_timeout)

    def _take_block(self, block: bytes, now: float) -> None:
        if self.step is Step.NONCE:
            self._take_nonce(block, now)
        else:
            self._take_credentials(block, now)

    def _take_nonce(self, nonce: bytes, now: float) -> None:
        """Answer any 40 bytes with an identity, as the firmware does."""
        settings = self.settings
        beginning = nonce + bytes(self._input[: _EXCERPT - len(nonce)])
        flaws, word = inspect_nonce(beginning)
        self.events.append(
            NonceReceived(
                **when(now),
                nonce=nonce,
                flaws=flaws,
                looks_like=word,
                excerpt=beginning if flaws else b"",
                surplus=len(self._input),
            )
        )
        self.timers.cancel(Timer.NONCE)
        self._advance()
        identity = self._seal.identity(
            settings.server_modulus,
            nonce,
            bytes.fromhex(settings.device_id),
            settings.key.spki if self._traits.sends_key else None,
            self._entropy,
        )
        if identity is None:
            self.close(now, CloseReason.KEY_UNUSABLE, DeviceError.ENCRYPTION_ERROR)
            return
        self.output += identity
        if len(identity) == layouts.IDENTITY_SIZE:
            self.events.append(
                IdentitySent(**when(now), blob=identity, pieces=1, before_nonce=False)
            )
        self._advance()
        self.timers.arm(Timer.CREDENTIALS, now, settings.read_timeout)

    def _take_credentials(self, block: bytes, now: float) -> None:
        """Check the padding of the ciphertext first, then the signature."""
        ciphertext, signature = (
            block[: layouts.CIPHERTEXT_SIZE],
            block[layouts.CIPHERTEXT_SIZE :],
        )
        self.events.append(
            CredentialsReceived(**when(now), ciphertext=ciphertext, signature=signature)
        )
        self.timers.cancel(Timer.CREDENTIALS)
        n = self.settings.server_modulus
        key = CloudKey(
            fingerprint(n, PUBLIC_EXPONENT), "device", n, PUBLIC_EXPONENT, None, named=False
        )
        signed = try_signature(Keyring(cloud=(key,)), signature, mark(now))
        self.events += signed.events
        plaintext = self._decrypt_ciphertext(ciphertext)
        session = (plaintext or b"").ljust(layouts.SESSION_SIZE, _STALE)
        state = self._grade(ciphertext, plaintext, session, signed)
        numbers = self.settings.key.numbers
        device_key = fingerprint(numbers.n, numbers.e)
        self.events.append(
            CredentialsTest(
                **when(now),
                key=device_key,
                private=True,
                state=state,
                plaintext_length=None if plaintext is None else len(plaintext),
                firmware_opens=plaintext is not None and len(plaintext) == layouts.SESSION_SIZE,
            )
        )
        signature_state = signed.events[0].state
        if plaintext is None or len(plaintext) > layouts.SESSION_SIZE:
            expected = "40 bytes under this device's key"
            self._fail(expected, state, DeviceError.DECRYPTION_ERROR, now)
        elif signature_state is not BlockState.OPENED or signed.mac != credentials_hmac(
            session, ciphertext
        ):
            seen = state if signature_state is BlockState.OPENED else signature_state
            expected = "an HMAC signed with the server's key"
            self._fail(expected, seen, DeviceError.AUTHENTICATION_ERROR, now)
        else:
            self._advance()
            self._begin_session(session, device_key, now)
            self._say_hello(now)

    def _decrypt_ciphertext(self, ciphertext: bytes) -> bytes | None:
        block = private_operation_as_firmware(self.settings.key.numbers, ciphertext)
        return None if block is None else open_block(block, ENCRYPTED)

    def _grade(
        self, ciphertext: bytes, plaintext: bytes | None, session: bytes, signed: SignatureTrials
    ) -> BlockState:
        if plaintext is None:
            below = int.from_bytes(ciphertext, "big") < self.settings.key.numbers.n
            return BlockState.PADDING_BAD if below else BlockState.NOT_BELOW_MODULUS
        if len(plaintext) != layouts.SESSION_SIZE:
            return BlockState.PADDING_GOOD_LENGTH_ODD
        if signed.mac is None:
            return BlockState.UNPROVEN
        same = signed.mac == credentials_hmac(session, ciphertext)
        return BlockState.OPENED if same else BlockState.HMAC_DIFFERS

    def _say_hello(self, now: float) -> None:
        """Number from the salt's seed, and say Hello at once."""
        settings, traits, salt = self.settings, self._traits, self._known_session()
        self._message_id = salt.seed_le if traits.little_endian_seed else salt.seed_be
        if traits.random_token:
            self._token = draw(self._entropy, 1)[0]
        else:
            self._token = salt.salt[_TOKEN_AT]
        product = settings.product_id
        if product is None:
            unset = settings.generation is Generation.CORE
            product = 0xFFFF if unset else settings.platform_id
        hello = requests.device_hello(
            product,
            settings.product_version,
            traits.hello_flags if settings.flags is None else settings.flags,
            settings.platform_id if traits.hello_platform else None,
            settings.limits if traits.hello_limits else None,
        )
        self._hello(now, hello)
        wait = traits.hello_wait if settings.hello_wait is None else settings.hello_wait
        self.timers.arm(Timer.HELLO, now, wait)

    def _waits_for_record(self, length: int | None, now: float) -> bool:
        if length is not None and length > self._traits.record_max:
            expected = f"at most {self._traits.record_max} bytes"
            self._fail(expected, str(length), DeviceError.INSUFFICIENT_STORAGE, now)
            return False
        self.timers.arm_once(Timer.RECORD_BODY, now, self.settings.read_timeout)
        return True

    def _open(self, ciphertext: bytes, now: float) -> bytes | None:
        """Cut off as many bytes as the last one says; the padding itself is never looked at."""
        padded = ciphertext
        if ciphertext and len(ciphertext) % layouts.BLOCK_SIZE == 0:
            padded = self._decrypt(ciphertext)
            length = padded[-1]
            if (
                not 1 <= length <= layouts.BLOCK_SIZE
                or padded[-length:] != bytes((length,)) * length
            ):
                self._bad_record("padding", now)
        else:
            # The AES call fails: the bytes are read as they came, and its IV is their beginning.
            self._receiving.iv = ciphertext[: layouts.BLOCK_SIZE].ljust(layouts.BLOCK_SIZE, b"\0")
            self._bad_record("length_not_multiple_of_16" if ciphertext else "empty", now)
        plaintext = padded[: max(0, len(padded) - padded[-1])] if padded else b""
        if not plaintext:
            self._take_unclassifiable("empty", now)
        return plaintext or None

    def _take_unclassifiable(self, seen: str, now: float) -> None:
        """Classic firmware takes it for an error; later firmware drops it."""
        if self._traits.strict:
            self._fail("a message", seen, DeviceError.MALFORMED_MESSAGE, now)

    def _fail(self, expected: str, seen: str, error: DeviceError, now: float) -> None:
        self._violation(now, expected, str(seen), error)
        self.close(now, CloseReason.VIOLATION, error)

    def _say_short(self, now: float) -> DeviceError | None:
        received = len(self._input)
        if self.step is Step.NONCE:
            start = bytes(self._input[:_EXCERPT])
            word = looks_like(start)
            self.events.append(
                NonceShort(**when(now), received=received, looks_like=word, excerpt=start)
            )
            return DeviceError.LIGHTSSL_HANDSHAKE_NONCE
        if self.step is Step.CREDENTIALS:
            if received:
                excerpt = bytes(self._input[:_EXCERPT])
                self.events.append(
                    CredentialsShort(**when(now), received=received, excerpt=excerpt)
                )
            return DeviceError.LIGHTSSL_HANDSHAKE_RECV_KEY
        if received:
            return DeviceError.LIGHTSSL_BLOCKING_RECEIVE
        return DeviceError.LIGHTSSL_RECEIVE
