r"""What must never leave in a report: keys and tokens, recognised by their form.

`scrubbed` takes them out of text that came from outside; `inspect` looks at a finished report.
"""

from __future__ import annotations

import re

from handshake_probe.errors import HandshakeProbeError
from handshake_probe.report.safe import PROSE, visible

REMOVED = "[removed]"

# Everything is bounded on the left, so that a search stays linear.
_SECRETS: dict[str, re.Pattern[str]] = {
    "a private key in PEM": re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----[^<\"]*"),
    # SEQUENCE, two length bytes: RSA private keys of 1024 (0x025x…) and 2048 bits (0x04ax).
    "a private key in hex": re.compile(r"(?<![0-9a-fA-F])3082(?:02|04)[0-9a-fA-F]{28,}"),
    "a private key in base64": re.compile(r"(?<![A-Za-z0-9+/])MII[CE][A-Za-z0-9+/]{40,}={0,2}"),
    "a private key in escaped bytes": re.compile(r"0\\{1,2}x82\\{1,2}x0[24]\S{8,}"),
    # 40 hex digits are a Particle access token, 32 and 80 hold an AES key; 64 are a SHA-256.
    "a token or session key": re.compile(
        r"(?<![0-9a-zA-Z])(?![0-9a-fA-F]{64}(?![0-9a-zA-Z]))[0-9a-fA-F]{32,}(?![0-9a-zA-Z])"
    ),
    "a JSON web token": re.compile(r"(?<![A-Za-z0-9])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
    # 63 characters of base64; a longer or shorter run of that kind is no name either.
    "a claim code or key in base64": re.compile(
        r"(?<![A-Za-z0-9+/])(?=[0-9a-f]*[A-Zg-z+/])[A-Za-z0-9+/]{40,}"
    ),
}
_NAMED = re.compile(
    r"(?i)\b((?:access[-_]?)?token\s*[=:]\s*|(?:password|passwd|secret|api[-_]?key|psk)\s*[=:]\s*"
    r"|(?:session|sid|sessionid)=|bearer\s+)[^\s&\"'<>,;\\]{4,}"
)
_QUERY = re.compile(r"(?i)(\bhttps?://[^\s?\"'<>]{1,200})\?[^\s\"'<>\\]+")
_DEVICE_ID = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{24}(?![0-9a-zA-Z])")


class SecretFound(HandshakeProbeError):
    """A finished report holds what no report may hold; it is not written."""


def scrubbed(text: str) -> str:
    """`text` without keys, tokens, and the query strings of addresses."""
    for pattern in _SECRETS.values():
        text = pattern.sub(REMOVED, text)
    text = _QUERY.sub(rf"\1?{REMOVED}", text)
    return _NAMED.sub(rf"\1{REMOVED}", text)


def harmless(text: str) -> str:
    """`text` as it may be shown, line by line: nothing invisible in it, and no secret.

    A cut can make a secret's form out of what was none, so this is done last.
    """
    return "\n".join(scrubbed(visible(line, PROSE)) for line in text.split("\n"))


def inspect(report: str, *, public: bool) -> None:
    """Look through a finished report.

    Raises:
        SecretFound: it holds a key or token, or, where it is public, a device id.
    """
    for what, pattern in _SECRETS.items():
        if pattern.search(report):
            raise SecretFound(f"the report would hold {what}: it was not written")
    if public and _DEVICE_ID.search(report):
        raise SecretFound("the public report would hold a whole device id: it was not written")
