"""Checks one key file: what it is, and who can use it.

Two readings stand side by side: that of the tools (DER, as OpenSSL reads it) and the firmware's
own at fixed offsets. A file that is sound for one may be useless for the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address

from handshake_probe.keys.defects import Code, Defect, Hurts
from handshake_probe.keys.files import NoUsableKey, read_key
from handshake_probe.keys.firmware import (
    SERVER_MODULUS_OFFSET,
    read_device_slot,
    read_server_modulus,
    server_modulus_usable,
    usable_for_decrypting,
)
from handshake_probe.keys.keyfile import CLOUD_BITS, DEVICE_BITS, KeyFile, KeyRole
from handshake_probe.keys.known import PUBLISHED, describe_copy
from handshake_probe.keys.particle import (
    PARTICLE_CLOUD,
    PARTICLE_NAMES,
    is_particle_address,
    is_particle_name,
)
from handshake_probe.keys.pem import pem_blocks
from handshake_probe.keys.slots import SERVER_SLOTS, AddressKind, AddressRecord

TCP_PORT, UDP_PORT = 5683, 5684

# Keys that are sound, and none that this tool could read or a device use.
_SOUND_ELSEWHERE = frozenset({Code.WRONG_SIZE, Code.ENCRYPTED})

PRIVATE_ROLES = frozenset({KeyRole.CLOUD_PRIVATE, KeyRole.DEVICE_PRIVATE, KeyRole.EC_PRIVATE})


class Firmware(StrEnum):
    """What the TCP firmware makes of a file in the slot it is meant for."""

    USABLE = "usable"
    UNUSABLE = "unusable"
    CONVERT_FIRST = "convert_first"  # PEM, which is text: the key in it is usable as DER
    NOT_USED = "not_used"  # no device holds such a key, or only for UDP


class Tools(StrEnum):
    """What standard tools make of a file."""

    ACCEPT = "accept"
    STRICT_REFUSE = "strict_refuse"  # OpenSSL accepts it, strict parsers do not
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Checked:
    """One file, checked. `key` is None when no key could be read from it."""

    name: str
    form: str  # "PKCS#1 DER", "device slot (612 bytes, …)", "an HTML page"
    key: KeyFile | None
    firmware: Firmware
    tools: Tools
    defects: tuple[Defect, ...]

    @property
    def codes(self) -> frozenset[Code]:
        """The codes of all its defects."""
        return frozenset(defect.code for defect in self.defects)

    @property
    def private(self) -> bool:
        """Whether it holds a private half, or looks as if it did."""
        return Code.ENCRYPTED in self.codes or (
            self.key is not None and self.key.role in PRIVATE_ROLES
        )

    def with_defects(self, *more: Defect) -> Checked:
        """The same file with more defects found; one that stops the firmware makes it unusable."""
        if not more:
            return self
        firmware = self.firmware
        if any(d.code.hurts in (Hurts.FIRMWARE, Hurts.BOTH) for d in more):
            firmware = Firmware.UNUSABLE
        return replace(self, defects=(*self.defects, *more), firmware=firmware)


def check_key(name: str, data: bytes) -> Checked:
    """Check one file; every input gives a result."""
    try:
        key = read_key(name, data)
    except NoUsableKey as refusal:
        return _unreadable(name, data, refusal)
    data = data[key.start : key.end]
    copy = _about_copies(key, data)
    more = [*_about_publication(key), *_about_name(key), *(copy or _about_address(key))]
    return Checked(
        name=name,
        form=key.form,
        key=key,
        firmware=_firmware(key, data),
        tools=_tools(key),
        defects=key.defects,
    ).with_defects(*more)


def _unreadable(name: str, data: bytes, refusal: NoUsableKey) -> Checked:
    text = f"This is {refusal.looks_like}."
    if refusal.code is Code.ERASED:
        text = f"The slot is erased: all {len(data)} bytes are FF."
    defect = Defect(refusal.code, text)
    copy = _damaged_particle_slot(data)
    if copy is not None:
        defect = Defect(Code.DAMAGED_COPY, f"A damaged copy of the Particle cloud's key: {copy}.")
    slot = defect.code not in (Code.NO_KEY, Code.ENCRYPTED)
    return Checked(
        name=name,
        form=refusal.looks_like,
        key=None,
        firmware=Firmware.UNUSABLE if slot else Firmware.NOT_USED,
        tools=Tools.ACCEPT if defect.code in _SOUND_ELSEWHERE else Tools.REFUSE,
        defects=(defect,),
    )


def _damaged_particle_slot(data: bytes) -> str | None:
    """Tell a server slot that no longer reads as a key, yet resembles the built-in one."""
    if len(data) not in SERVER_SLOTS or pem_blocks(data):
        return None
    n = read_server_modulus(data)
    return describe_copy(n, PARTICLE_CLOUD.n, CLOUD_BITS, SERVER_MODULUS_OFFSET)


def _firmware(key: KeyFile, data: bytes) -> Firmware:
    """Measure with the firmware's own reading whether a device could use the file as it lies."""
    codes = {defect.code for defect in key.defects}
    pem = bool(pem_blocks(data)) and Code.PEM_IN_SLOT not in codes
    match key.role:
        case KeyRole.DEVICE_PRIVATE:
            reading = key.firmware if pem else read_device_slot(data)
            usable = reading is not None and usable_for_decrypting(reading)
        case KeyRole.CLOUD_PUBLIC:
            n = key.n if pem else read_server_modulus(data)
            usable = n is not None and n == key.n and server_modulus_usable(n)
            usable = usable and not codes & {Code.NO_MODULUS, Code.WRONG_EXPONENT}
        case _:
            misplaced = Code.EC_IN_RSA_SLOT in codes
            return Firmware.UNUSABLE if misplaced else Firmware.NOT_USED
    if not usable or Code.FIRST_BYTE_ERASED in codes:
        return Firmware.UNUSABLE
    return Firmware.CONVERT_FIRST if pem else Firmware.USABLE


def _tools(key: KeyFile) -> Tools:
    """Tell from the defects what OpenSSL and strict parsers do."""
    strict = {Code.NOT_MINIMAL, Code.TRAILING_BYTES, Code.ODD_VERSION}
    codes = {defect.code for defect in key.defects}
    dumped = key.end is not None  # tools look for a key at the beginning of a file
    if dumped or any(code.hurts in (Hurts.TOOLS, Hurts.BOTH) for code in codes - strict):
        return Tools.REFUSE
    return Tools.STRICT_REFUSE if key.trailing or codes & strict else Tools.ACCEPT


def _about_publication(key: KeyFile) -> list[Defect]:
    known = PUBLISHED.get(key.fingerprint or "")
    if known is None:
        return []
    if known.private:
        text = f"This is {known.what}: its private half is public, so it protects nothing."
        return [Defect(Code.PUBLISHED, text)]
    return [Defect(Code.PARTICLE_KEY, f"This is {known.what}.")]


def _about_copies(key: KeyFile, data: bytes) -> list[Defect]:
    """Tell a server key that is the built-in one but for some bits."""
    if key.role is not KeyRole.CLOUD_PUBLIC or key.n is None:
        return []
    in_place = not pem_blocks(data) and read_server_modulus(data) == key.n
    first_byte = SERVER_MODULUS_OFFSET if in_place else None
    copy = describe_copy(key.n, PARTICLE_CLOUD.n, CLOUD_BITS, first_byte)
    if copy is None:
        return []
    return [Defect(Code.DAMAGED_COPY, f"A damaged copy of the Particle cloud's key: {copy}.")]


def _about_name(key: KeyFile) -> list[Defect]:
    named_public = ".pub." in key.name.lower() or key.name.lower().endswith(".pub")
    if key.role not in PRIVATE_ROLES or not named_public:
        return []
    text = "The name says that this is a public key, and the file holds the private one."
    return [Defect(Code.PRIVATE_NAMED_PUBLIC, text)]


def _about_address(key: KeyFile) -> list[Defect]:
    """Hold the address in a server slot against the key beside it."""
    record = key.address
    if record is None or key.role is not KeyRole.CLOUD_PUBLIC:
        return []
    found = []
    ours = key.fingerprint == PARTICLE_CLOUD.fingerprint
    where = record.text(TCP_PORT)
    goes_home = _leads_to_particle(record)
    if record.kind is AddressKind.UNSET:
        text = f"No address is set: the device goes to its default, {PARTICLE_NAMES[0]}:{TCP_PORT}."
        found.append(Defect(Code.ADDRESS_UNSET, text))
    if goes_home is False and ours:
        text = f"The key is the Particle cloud's, and the address beside it is {where}."
        found.append(Defect(Code.ADDRESS_OF_ANOTHER_CLOUD, text))
    elif goes_home and not ours:
        text = (
            f"The device goes to the Particle cloud ({where or PARTICLE_NAMES[0]}), and the key is "
            "not that cloud's."
        )
        found.append(Defect(Code.ADDRESS_OF_ANOTHER_CLOUD, text))
    if record.port not in (None, TCP_PORT):
        text = f"The device connects to port {record.port}, not to the usual {TCP_PORT}."
        found.append(Defect(Code.OTHER_PORT, text))
    return found


def _leads_to_particle(record: AddressRecord) -> bool | None:
    """Whether a device with this record talks to Particle's cloud; None when it cannot be told."""
    if record.kind in (AddressKind.UNSET, AddressKind.DAMAGED):
        return True  # its default
    host = record.host or ""
    if record.kind is AddressKind.DOMAIN:
        return is_particle_name(host)
    if is_particle_address(host):
        return True
    return None if ip_address(host).is_global else False


def expected_bits(key: KeyFile) -> int:
    """The size that a key of this role has when nothing is damaged."""
    return CLOUD_BITS if key.role.startswith("cloud") else DEVICE_BITS
