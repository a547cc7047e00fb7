"""PEM armour (RFC 7468), read leniently: text around it, CRLF, a missing END line."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import NamedTuple

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----(.*?)(?:-----END|\Z)", re.DOTALL)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_HEADER = re.compile(rb"^[A-Za-z-]+:.*$", re.MULTILINE)
# Flash around PEM text that was written into a slot as it is, NUL of a C string.
_FILL = b"\xff\0"

_ENCODINGS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class PemBlock(NamedTuple):
    """One armoured block."""

    label: str  # "RSA PRIVATE KEY"
    body: bytes  # what stands between the BEGIN and the END line
    whole: bool  # the END line is there

    @property
    def encrypted(self) -> bool:
        """The body needs a passphrase (RFC 1421 headers, or PKCS#8 encryption)."""
        return b"ENCRYPTED" in self.body or self.label.startswith("ENCRYPTED")

    def der(self) -> bytes | None:
        """Decode the body; None when it is no base64. A cut body gives what is there."""
        text = b"".join(_HEADER.sub(b"", self.body).split()).rstrip(_FILL)
        text = text.rstrip(b"=")
        if _NOT_BASE64.search(text):
            return None
        if len(text) % 4 == 1:
            text = text[:-1]
        return b64decode(text + b"=" * (-len(text) % 4))


def pem_blocks(data: bytes) -> tuple[PemBlock, ...]:
    """Return all armoured blocks in `data`, in order; UTF-16 text is read too."""
    encoding = _ENCODINGS.get(data[:2])
    if encoding is not None:
        data = data.decode(encoding, "ignore").encode("ascii", "ignore")
    return tuple(
        PemBlock(match[1].decode("ascii"), match[2], match[0].endswith(b"-----END"))
        for match in _BLOCK.finditer(data)
    )
