r"""What must never leave in a report: keys and tokens, recognised by their form.

`scrubbed` takes them out of text that came from outside; `inspect` looks at a finished report.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from handshake_probe.errors import HandshakeProbeError
from handshake_probe.report.safe import PROSE, visible

REMOVED = "[removed]"

# A pattern starts with what is rare, and looks back from there: so a search is quick, and linear.
_SECRETS: dict[str, re.Pattern[str]] = {
    "a private key in PEM": re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----[^<\"]*"),
    # SEQUENCE, two length bytes: RSA private keys of 1024 (0x025x…) and 2048 bits (0x04ax).
    "a private key in hex": re.compile(r"3082(?<![0-9a-fA-F]3082)(?:02|04)[0-9a-fA-F]{28,}"),
    "a private key in base64": re.compile(r"MII(?<![A-Za-z0-9+/]MII)[CE][A-Za-z0-9+/]{40,}={0,2}"),
    "a private key in escaped bytes": re.compile(r"0\\{1,2}x82\\{1,2}x0[24]\S{8,}"),
    "a JSON web token": re.compile(r"eyJ(?<![A-Za-z0-9]eyJ)[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
}
# Of a run of characters of base64 as long as it goes.
_IN_RUNS: dict[str, re.Pattern[str]] = {
    # 40 hex digits are a Particle access token, 32 and 80 hold an AES key; 64 are a SHA-256.
    "a token or session key": re.compile(
        r"(?<![0-9a-zA-Z])(?![0-9a-fA-F]{64}(?![0-9a-zA-Z]))[0-9a-fA-F]{32,}(?![0-9a-zA-Z])"
    ),
    # 63 characters of base64; a longer or shorter run of that kind is no name either.
    "a claim code or key in base64": re.compile(
        r"(?<![A-Za-z0-9+/])(?=[0-9a-f]*[A-Zg-z+/])[A-Za-z0-9+/]{40,}"
    ),
}
_SHORTEST = 32  # characters of a run that holds one
_ID = 24  # characters of a device id
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_CLASSES = bytes(ord("x") if byte in _BASE64 else ord(" ") for byte in range(256))
_RUNS = {length: re.compile(b"x" * length + b"x*") for length in (_ID, _SHORTEST)}
# One of them is in everything that follows (in ASCII: other letters have cases of their own).
_NAMES = ("token", "passw", "secret", "api", "psk", "session=", "sid=", "sessionid=", "bearer")
_NAMED = re.compile(
    r"(?i)\b((?:access[-_]?)?token\s*[=:]\s*|(?:password|passwd|secret|api[-_]?key|psk)\s*[=:]\s*"
    r"|(?:session|sid|sessionid)=|bearer\s+)[^\s&\"'<>,;\\]{4,}"
)
_QUERY = re.compile(
    r"(://(?:(?<=\bhttp://)|(?<=\bhttps://))[^\s?\"'<>]{1,200})\?[^\s\"'<>\\]+", re.IGNORECASE
)
_DEVICE_ID = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{24}(?![0-9a-zA-Z])")


class SecretFound(HandshakeProbeError):
    """A finished report holds what no report may hold; it is not written."""


def scrubbed(text: str) -> str:
    """`text` without keys, tokens, and the query strings of addresses."""
    for pattern in _SECRETS.values():
        text = pattern.sub(REMOVED, text)
    text = _without_runs(text)
    text = _QUERY.sub(rf"\1?{REMOVED}", text)
    return _NAMED.sub(rf"\1{REMOVED}", text) if _may_name(text) else text


def _may_name(text: str) -> bool:
    """Whether a search for what is named a secret is worth its time."""
    if not text.isascii():
        return True
    lower = text.lower()
    return any(name in lower for name in _NAMES)


def _without_runs(text: str) -> str:
    parts = []
    done = 0
    for start, end in _runs(text):
        run = text[start:end]
        for pattern in _IN_RUNS.values():
            run = pattern.sub(REMOVED, run)
        parts += [text[done:start], run]
        done = end
    return "".join((*parts, text[done:])) if parts else text


def _runs(text: str, shortest: int = _SHORTEST) -> Iterator[tuple[int, int]]:
    """Where long runs of the characters of base64 begin and end, found at the speed of memory."""
    if len(text) < shortest:
        return
    classes = text.encode("ascii", "replace").translate(_CLASSES)  # a byte for each character
    for found in _RUNS[shortest].finditer(classes):
        yield found.span()


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
            raise _found(what)
    for start, end in _runs(report):
        for what, pattern in _IN_RUNS.items():
            if pattern.search(report[start:end]):
                raise _found(what)
    ids = _runs(report, _ID) if public else ()
    if any(_DEVICE_ID.search(report[start:end]) for start, end in ids):
        raise SecretFound("the public report would hold a whole device id: it was not written")


def _found(what: str) -> SecretFound:
    return SecretFound(f"the report would hold {what}: it was not written")
