"""The cloud's side, as the two servers whose source is public do it."""

from __future__ import annotations

from collections.abc import Callable

from handshake_probe.keys.fingerprint import spki
from handshake_probe.keys.keyring import Keyring, RegisteredKey
from handshake_probe.keys.numbers import PrivateNumbers
from handshake_probe.protocol import layouts, requests
from handshake_probe.protocol.coap import CoapMessage, Type
from handshake_probe.protocol.device_errors import DeviceError
from handshake_probe.protocol.events import (
    BlockState,
    CredentialsReceived,
    IdentitySent,
    IdentityShort,
    IdentityTest,
    NonceReceived,
)
from handshake_probe.protocol.kinds import Kind
from handshake_probe.protocol.messages import Meaning
from handshake_probe.protocol.nonce import inspect_nonce
from handshake_probe.protocol.opening import SAFE_MODE_EVENT
from handshake_probe.protocol.played import PlayedSide, mark, when
from handshake_probe.protocol.played_events import CloseReason, HandshakeComplete, Timer
from handshake_probe.protocol.seal import Entropy, Seal, draw
from handshake_probe.protocol.settings import CloudSettings, Manner
from handshake_probe.protocol.state import Phase, Role, Step
from handshake_probe.protocol.system_events import event_name
from handshake_probe.protocol.trials import try_identity

_SYSTEM_EVENTS = b"spark/"
_EVENTS = (Kind.EVENT, Kind.CLAIM_CODE, Kind.SAFE_MODE, Kind.KEY_ERROR)
_IDS = 1 << 16
_TIME_MAX = (1 << 32) - 1


class CloudSide(PlayedSide):
    """A cloud, in one connection of one device."""

    def __init__(
        self, settings: CloudSettings, signer: PrivateNumbers, entropy: Entropy, seal: Seal
    ) -> None:
        super().__init__(Role.CLOUD, entropy, seal)
        self.settings = settings
        self._signer = signer
        self._habits = settings.habits
        self._patience = settings.habits.patience
        self._nonce = b""
        self._device_id = ""
        self._expected_id = 0
        self._deaf = False
        self._awaited = 0  # answers to the Describe requests after the Hello
        self._held: list[CoapMessage] = []  # acknowledgments this server gives only after them
        self._handlers: dict[str, Callable[[CoapMessage, float], None]] = {
            Kind.PING: self._acknowledge,
            Kind.SUBSCRIBE: self._take_subscription,
            Kind.TIME_REQUEST: self._answer_time,
            Kind.DESCRIBE: self._take_description,
            **dict.fromkeys(_EVENTS, self._take_event),
        }

    def start(self, now: float) -> None:
        """Send the nonce at once."""
        self.phase = Phase.HANDSHAKE
        self._nonce = self._seal.nonce(self._entropy)
        self.output += self._nonce
        if len(self._nonce) >= layouts.NONCE_SIZE:
            nonce = self._nonce[: layouts.NONCE_SIZE]
            flaws, looks_like = inspect_nonce(self._nonce)
            self.events.append(
                NonceReceived(
                    **when(now),
                    nonce=nonce,
                    flaws=flaws,
                    looks_like=looks_like,
                    excerpt=self._nonce if flaws else b"",
                    surplus=len(self._nonce) - len(nonce),
                )
            )
        self._advance()
        self.timers.arm(Timer.IDENTITY, now, self._patience.identity)
        self.timers.arm(Timer.HANDSHAKE, now, self._patience.handshake)

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes of the device; any of them show that it is there."""
        super().receive(data, now)
        if self.phase is Phase.SESSION:
            self.timers.arm(Timer.IDLE, now, self._patience.idle)

    def describe(self, now: float, flags: int | None) -> None:
        """Ask the device to describe itself, and wait for the answer as long as this cloud does."""
        self.ask(now, requests.describe_request(self.next_token(), flags))
        if self._patience.describe is not None:
            self.timers.arm_once(Timer.DESCRIBE, now, self._patience.describe)

    def _take_block(self, block: bytes, now: float) -> None:
        """Open the identity, look the device up, and answer with credentials."""
        self.events.append(IdentitySent(**when(now), blob=block, pieces=1, before_nonce=False))
        self.timers.cancel(Timer.IDENTITY)
        keyring = Keyring(cloud=(self.settings.key,))
        [test] = try_identity(keyring, block, self._nonce[: layouts.NONCE_SIZE], mark(now))
        self.events.append(test)
        registered = self._admit(test, now)
        if registered is None:
            self.close(now, CloseReason.VIOLATION)
            return
        self._advance()
        session = self._seal.session(self._entropy)
        credentials = self._seal.credentials(
            registered.n, registered.e, session, self._signer, self._entropy
        )
        self.output += credentials
        if len(credentials) == layouts.CREDENTIALS_SIZE:
            self.events.append(
                CredentialsReceived(
                    **when(now),
                    ciphertext=credentials[: layouts.CIPHERTEXT_SIZE],
                    signature=credentials[layouts.CIPHERTEXT_SIZE :],
                )
            )
        self._advance()
        whole = session[: layouts.SESSION_SIZE].ljust(layouts.SESSION_SIZE, b"\0")
        self._begin_session(whole, registered.fingerprint, now)
        self.timers.arm(Timer.HELLO, now, self._patience.hello)

    def _admit(self, test: IdentityTest, now: float) -> RegisteredKey | None:
        """Return the key on file of a device that may come in; None after saying why not."""
        if test.state is not BlockState.OPENED or test.device_id is None:
            self._violation(now, "this nonce under this cloud's key", test.state)
            return None
        registered = self.settings.register(test.device_id)
        if registered is None:
            self._violation(now, "a registered device", "unknown_device")
            return None
        if self.settings.manner is Manner.COMPARES:
            expected = "the key on file"
            if test.device_key is None:
                self._violation(now, expected, "no_key")
                return None
            if test.device_key != spki(registered.n, registered.e):
                self._violation(now, expected, "another_key")
                return None
        self._device_id = test.device_id
        return registered

    def _waits_for_record(self, length: int | None, now: float) -> bool:
        if self._deaf:
            self._input.clear()
            return False
        if length is not None and (length == 0 or length % layouts.BLOCK_SIZE):
            self._go_deaf("length_not_multiple_of_16" if length else "empty", now)
            return False
        return True

    def _open(self, ciphertext: bytes, now: float) -> bytes | None:
        padded = self._decrypt(ciphertext)
        length = padded[-1]
        if not 1 <= length <= layouts.BLOCK_SIZE or padded[-length:] != bytes((length,)) * length:
            self._go_deaf("padding", now)
            return None
        if length == len(padded):
            self._bad_record("empty", now)
        return padded[:-length]

    def _go_deaf(self, problem: str, now: float) -> None:
        """Read nothing more: these servers' decipher stops at its first error, and they wait on."""
        self._bad_record(problem, now)
        self._violation(now, "a record", problem)
        self._deaf = True
        self._input.clear()

    def _take_message(self, message: CoapMessage | None, meaning: Meaning, now: float) -> None:
        if message is None:
            self._refuse("a message", meaning.kind, now)
        elif self.phase is Phase.HELLO:
            self._greet(message, meaning, now)
        elif self._counts(message, meaning, now):
            handler = self._handlers.get(meaning.kind)
            if handler is not None:
                handler(message, now)

    def _greet(self, message: CoapMessage, meaning: Meaning, now: float) -> None:
        """Take the first message, whatever it is, for the device's Hello, and answer it."""
        if meaning.kind != Kind.HELLO:
            self._violation(now, Kind.HELLO, meaning.kind)
        self._expected_id = message.message_id
        self.timers.cancel(Timer.HELLO, Timer.HANDSHAKE)
        self.phase = Phase.SESSION
        self._message_id = int.from_bytes(draw(self._entropy, 2), "big")
        token = self._habits.hello_token
        self._token = token[-1] if token else 0
        if not self._hello(now, requests.cloud_hello(token)):
            return
        self.events.append(HandshakeComplete(**when(now), device_id=self._device_id))
        self._awaited = len(self._habits.describes)
        for flags in self._habits.describes:
            self.describe(now, flags)

    def _counts(self, message: CoapMessage, meaning: Meaning, now: float) -> bool:
        """Follow the device's message ids; pings count, but are not checked."""
        if message.type in (Type.ACK, Type.RST):
            return True
        self._expected_id = (self._expected_id + 1) % _IDS
        wrong = message.message_id != self._expected_id and meaning.kind != Kind.PING
        if wrong and self.settings.checks_counter:
            self._refuse(f"message id {self._expected_id}", str(message.message_id), now)
            return False
        return True

    def _answer_time(self, message: CoapMessage, now: float) -> None:
        seconds = min(max(int(now), 0), _TIME_MAX)
        answer = requests.reply(message, requests.CONTENT, seconds.to_bytes(4, "big"))
        self.say(now, answer, answer=True)

    def _take_description(self, _message: CoapMessage, now: float) -> None:
        """Take an answer; after the last one, acknowledge what came in the meantime."""
        self._awaited = max(0, self._awaited - 1)
        if not self._awaited:
            self.timers.cancel(Timer.DESCRIBE)
            held, self._held = self._held, []
            for answer in held:
                self.say(now, answer, answer=True)

    def _take_subscription(self, message: CoapMessage, now: float) -> None:
        self._answer_later(self._acknowledgment(message), now)

    def _answer_later(self, answer: CoapMessage, now: float) -> None:
        """Answer once the device has described itself; only Brewskey's server asks for that."""
        if self._awaited:
            self._held.append(answer)
        else:
            self.say(now, answer, answer=True)

    def _take_event(self, message: CoapMessage, now: float) -> None:
        """Acknowledge what this server does: system events above all, even unasked."""
        name = event_name(message)
        system = name.startswith(_SYSTEM_EVENTS)
        if self._habits.original_acks:
            code = requests.EMPTY if system else requests.BAD_REQUEST
            self._answer_later(requests.acknowledge_as_original(message, code), now)
        elif message.type is Type.CON or (system and name != SAFE_MODE_EVENT):
            self._answer_later(requests.acknowledge(message), now)

    def _acknowledge(self, message: CoapMessage, now: float) -> None:
        self.say(now, self._acknowledgment(message), answer=True)

    def _acknowledgment(self, message: CoapMessage) -> CoapMessage:
        original = self._habits.original_acks
        return (requests.acknowledge_as_original if original else requests.acknowledge)(message)

    def _refuse(self, expected: str, seen: str, now: float) -> None:
        self._violation(now, expected, seen)
        self.close(now, CloseReason.VIOLATION)

    def _say_short(self, now: float) -> DeviceError | None:
        if self.step is Step.IDENTITY and self._input:
            self.events.append(IdentityShort(**when(now), received=len(self._input)))
        return None

    def _timed_out(self, timer: Timer, now: float) -> None:
        self._say_short(now)
        self._give_up(timer, now, None)
