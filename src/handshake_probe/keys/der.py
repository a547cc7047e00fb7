"""A lenient reader of DER: enough for key files, and precise about where one is damaged.

Flash dumps carry padding, device-made keys carry non-minimal INTEGERs (129 and 65 bytes), damaged
slots end in FF. A strict library refuses all of them with the same sentence; this reader reads on
and says what it met.
"""

from __future__ import annotations

from dataclasses import dataclass, field

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
CONTEXT_0 = 0xA0
CONTEXT_1 = 0xA1

_TAG_NAMES = {
    INTEGER: "INTEGER",
    BIT_STRING: "BIT STRING",
    OCTET_STRING: "OCTET STRING",
    OBJECT_IDENTIFIER: "OBJECT IDENTIFIER",
    SEQUENCE: "SEQUENCE",
}

# The largest RSA keys in use have 16384-bit moduli; longer INTEGERs only cost time.
_INTEGER_LIMIT = 2050


class DerError(ValueError):
    """Bytes that are no DER; the message is one line that names the byte offset."""


@dataclass(slots=True)
class DerReader:
    """Reads elements one after the other from `data[position:end]`; offsets are absolute.

    `padded` becomes true once an INTEGER with superfluous leading zeros was read (not minimal,
    yet what devices write).
    """

    data: bytes
    position: int
    end: int
    padded: bool = field(default=False)

    @classmethod
    def of(cls, data: bytes) -> DerReader:
        """Return a reader of all of `data`."""
        return cls(data, 0, len(data))

    def peek(self) -> int | None:
        """Return the next tag, None at the end."""
        return self.data[self.position] if self.position < self.end else None

    def header(self, tag: int, what: str) -> tuple[int, int]:
        """Read tag and length; return (first value byte, end of value as the length claims).

        The claimed end may lie beyond the data. Raises DerError when the tag is another one or
        the length is none.
        """
        start = self.position
        found = self.peek()
        wanted = f"{_TAG_NAMES.get(tag, f'tag {tag:02x}')} ({what})"
        if found is None:
            raise DerError(f"truncated at byte {start}, where {wanted} should start")
        if found != tag:
            raise DerError(f"byte {start} is {found:02x}, where {wanted} should start")
        if start + 1 >= self.end:
            raise DerError(f"truncated at byte {start + 1}, in the length of {what}")
        first = self.data[start + 1]
        if first < 0x80:
            return start + 2, start + 2 + first
        count = first & 0x7F
        if not 1 <= count <= 4:
            raise DerError(f"byte {start + 1} is {first:02x}, which is no length of {what}")
        value = start + 2 + count
        if value > self.end:
            raise DerError(f"truncated at byte {self.end}, in the length of {what}")
        return value, value + int.from_bytes(self.data[start + 2 : value], "big")

    def value(self, tag: int, what: str) -> bytes:
        """Read one whole element and return its value bytes. Raises DerError."""
        value, end = self.header(tag, what)
        if end > self.end:
            there = self.end - value
            raise DerError(
                f"truncated at byte {self.end}: {what} should have {end - value} bytes, "
                f"{there} are there"
            )
        self.position = end
        return self.data[value:end]

    def integer(self, what: str) -> int:
        """Read an INTEGER as an unsigned number, as the firmware does. Raises DerError."""
        value = self.value(INTEGER, what)
        if len(value) > _INTEGER_LIMIT:
            raise DerError(f"{what} has {len(value)} bytes, too many for any key")
        if len(value) > 1 and value[0] == 0 and value[1] < 0x80:
            self.padded = True
        return int.from_bytes(value, "big")

    def enter(self, tag: int, what: str) -> DerReader:
        """Step into a constructed element and past it; return the reader of its inside.

        A length that claims more than there is gives what there is. Raises DerError.
        """
        value, end = self.header(tag, what)
        inside = DerReader(self.data, value, min(end, self.end))
        self.position = inside.end
        return inside


def encode(tag: int, value: bytes) -> bytes:
    """Return one element in DER, with minimal length."""
    if len(value) < 0x80:
        return bytes([tag, len(value)]) + value
    size = (len(value).bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + len(value).to_bytes(size, "big") + value


def encode_integer(number: int) -> bytes:
    """Return a non-negative INTEGER in DER."""
    return encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))
