"""What a played side is told before it starts, and the tables of what real sides do by themselves.

The tables say what each firmware generation and each kind of server was measured or read to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from handshake_probe.errors import LocalProtocolError
from handshake_probe.keys.firmware import read_device_slot, spki_as_sent
from handshake_probe.keys.keyring import CloudKey, DeviceKey, PrivateNumbers, RegisteredKey
from handshake_probe.protocol.layouts import DEVICE_ID_SIZE, SPKI_SIZE
from handshake_probe.protocol.requests import Limits

_N_OFFSET = 11  # of the modulus in a sound key slot
_N_SIZE = 128
_ENVELOPE = 17  # bytes an answer needs at most: header, 8 bytes token, options, marker
_CLAIM_CODE_SIZE = 63
_WORD = 0xFFFF


class Generation(StrEnum):
    """Firmware whose behaviour on the wire differs."""

    CORE = "core"
    V1_0 = "1.0"
    V2_3 = "2.3"
    V3_3 = "3.3"


class Traits(NamedTuple):
    """What a firmware generation does."""

    sends_key: bool  # the identity's long form
    little_endian_seed: bool
    random_token: bool  # the first token; classic firmware takes it from the salt
    strict: bool  # a message it cannot classify ends the connection
    hello_wait: float  # seconds for the cloud's Hello
    hello_flags: int
    hello_platform: bool
    hello_limits: bool
    record_max: int  # longest ciphertext it accepts
    plaintext_max: int  # longest message it sends
    hardware_events: bool  # spark/hardware/max_binary and ota_chunk_size
    describes_itself: bool  # two Describe posts, update flags, `particle` subscription, goodbye
    post_token: bool
    separate_answers: bool  # an empty ACK, then the answer to Describe and variable
    needs_describe_flags: bool  # a Describe request without query is refused
    needs_token: bool  # a function or variable request without token ends the connection
    bare_safemode_marker: bool  # the safe-mode event ends in FF without payload
    refuses_update_with: int  # 4.00, later 5.03


TRAITS = {
    Generation.CORE: Traits(
        sends_key=False,
        little_endian_seed=False,
        random_token=False,
        strict=True,
        hello_wait=2.0,
        hello_flags=0x00,
        hello_platform=False,
        hello_limits=False,
        record_max=640,
        plaintext_max=639,
        hardware_events=False,
        describes_itself=False,
        post_token=False,
        separate_answers=False,
        needs_describe_flags=False,
        needs_token=False,
        bare_safemode_marker=True,
        refuses_update_with=0x80,
    ),
    Generation.V1_0: Traits(
        sends_key=True,
        little_endian_seed=True,
        random_token=True,
        strict=False,
        hello_wait=4.0,
        hello_flags=0x02,
        hello_platform=True,
        hello_limits=False,
        record_max=782,
        plaintext_max=782,
        hardware_events=True,
        describes_itself=False,
        post_token=False,
        separate_answers=False,
        needs_describe_flags=False,
        needs_token=False,
        bare_safemode_marker=True,
        refuses_update_with=0x80,
    ),
    Generation.V2_3: Traits(
        sends_key=True,
        little_endian_seed=True,
        random_token=True,
        strict=False,
        hello_wait=4.0,
        hello_flags=0x36,
        hello_platform=True,
        hello_limits=False,
        record_max=782,
        plaintext_max=782,
        hardware_events=True,
        describes_itself=True,
        post_token=False,
        separate_answers=True,
        needs_describe_flags=False,
        needs_token=True,
        bare_safemode_marker=True,
        refuses_update_with=0xA3,
    ),
    Generation.V3_3: Traits(
        sends_key=True,
        little_endian_seed=True,
        random_token=True,
        strict=False,
        hello_wait=4.0,
        hello_flags=0x36,
        hello_platform=True,
        hello_limits=True,
        record_max=942,
        plaintext_max=942,
        hardware_events=False,
        describes_itself=True,
        post_token=True,
        separate_answers=True,
        needs_describe_flags=True,
        needs_token=True,
        bare_safemode_marker=False,
        refuses_update_with=0xA3,
    ),
}


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A device's key as its firmware takes it: integers to decrypt with, and what it sends."""

    numbers: PrivateNumbers
    spki: bytes  # 162 bytes

    @classmethod
    def from_slot(cls, slot: bytes) -> HeldKey:
        """Read a key slot of 612 bytes by fixed offsets; every input yields a key."""
        return cls(read_device_slot(slot), spki_as_sent(slot))

    @classmethod
    def from_key(cls, key: DeviceKey) -> HeldKey:
        """Take a key of a keyring in the firmware's reading, if there is one."""
        numbers = key.firmware or key.numbers
        modulus = (numbers.n % (1 << 8 * _N_SIZE)).to_bytes(_N_SIZE, "big")
        return cls(numbers, spki_as_sent(bytes(_N_OFFSET) + modulus))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings:
    """A device. Times are in seconds.

    Raises LocalProtocolError when a value does not fit its field on the wire.
    """

    device_id: str  # 24 lower-case hex digits
    key: HeldKey
    server_modulus: int  # as the firmware reads it, see `keys.firmware.read_server_modulus`
    generation: Generation = Generation.V3_3
    product_id: int | None = None  # None: the platform's, FFFF on a Core
    product_version: int = _WORD
    platform_id: int = 6  # Photon
    flags: int | None = None  # of the Hello; None: what the generation sends
    limits: Limits = field(default_factory=Limits)  # in the Hello of 3.x
    claim_code: bytes = b""  # 63 bytes, FF for erased flash; empty: none is stored
    safe_mode: bool = False
    key_errors: int = 0  # mask of `spark/device/key/error`; 0: none to report
    announces: bool = True  # says by itself what the firmware says after the cloud's Hello
    subscriptions: tuple[str, ...] = ()  # the application's, besides the system's
    functions: frozenset[str] = frozenset()
    variables: Mapping[str, bytes] = field(default_factory=dict)  # values as on the wire
    system_description: bytes = b'{"p":6,"m":[]}'
    application_description: bytes = b'{"f":[],"v":{}}'
    read_timeout: float = 20.0
    hello_wait: float | None = None  # None: the generation's
    ping_interval: float = 15.0
    ping_timeout: float = 10.0
    goodbye_wait: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what would fail only later, within a session."""
        try:
            sound_id = bytes.fromhex(self.device_id).hex() == self.device_id
            sound_id = sound_id and len(self.device_id) == 2 * DEVICE_ID_SIZE
        except ValueError:
            sound_id = False
        described = len(self.system_description) + len(self.application_description)
        longest = max(described, *map(len, self.variables.values()), 0) + _ENVELOPE
        words = (self.product_id or 0, self.product_version, self.platform_id, self.flags or 0)
        sizes = zip(self.limits, (16, 16, 32, 16), strict=True)
        for sound, complaint in (
            (sound_id, "a device id has 24 lower-case hex digits"),
            (len(self.key.spki) == SPKI_SIZE, "a device sends 162 bytes as its key"),
            (len(self.claim_code) in (0, _CLAIM_CODE_SIZE), "a claim code has 63 bytes"),
            (longest <= self.traits.plaintext_max, "a description or a variable is too long"),
            (all(0 <= word <= _WORD for word in words), "a number of the Hello is too large"),
            (all(0 <= n < 1 << bits for n, bits in sizes), "a limit of the Hello is too large"),
        ):
            if not sound:
                raise LocalProtocolError(complaint)

    @property
    def traits(self) -> Traits:
        """What the generation does."""
        return TRAITS[self.generation]


class Manner(StrEnum):
    """Servers that treat a device's public key differently."""

    COMPARES = "compares"  # Brewskey's: the key that is sent must be the one on file
    TRUSTS_REGISTER = "trusts_register"  # the original: what is sent is ignored


class Patience(NamedTuple):
    """How long a cloud waits, in seconds; None for ever."""

    identity: float | None
    hello: float | None
    handshake: float | None  # all of it
    idle: float | None  # without any byte
    describe: float | None


class Habits(NamedTuple):
    """What a server does."""

    patience: Patience
    hello_token: bytes
    describes: tuple[int | None, ...]  # flags of the requests after the Hello; None: no query
    original_acks: bool  # acknowledgments carry the token 00, all events are answered


HABITS = {
    Manner.COMPARES: Habits(Patience(None, None, 10.0, 31.0, 15.0), b"", (None,), False),
    Manner.TRUSTS_REGISTER: Habits(Patience(30.0, 30.0, 120.0, None, None), b"\x01", (), True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudSettings:
    """A cloud. Raises LocalProtocolError when the key lacks its private half."""

    key: CloudKey
    register: Callable[[str], RegisteredKey | None]  # by device id, 24 lower-case hex digits
    manner: Manner = Manner.COMPARES
    patience: Patience | None = None  # None: the manner's
    hello_token: bytes | None = None  # None: the manner's
    describes: tuple[int | None, ...] | None = None  # None: the manner's
    checks_counter: bool = True  # a device's message ids must be consecutive

    def __post_init__(self) -> None:
        """Refuse a key that cannot sign."""
        if self.key.private is None:
            raise LocalProtocolError("a cloud needs the private half of its key")

    @property
    def habits(self) -> Habits:
        """What this cloud does: its manner's habits, and what was set otherwise."""
        habits = HABITS[self.manner]
        return habits._replace(
            patience=habits.patience if self.patience is None else self.patience,
            hello_token=habits.hello_token if self.hello_token is None else self.hello_token,
            describes=habits.describes if self.describes is None else self.describes,
        )
