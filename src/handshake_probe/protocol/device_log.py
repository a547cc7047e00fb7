"""Lines of a device's serial log: what Device OS, its debug builds and the tools around it print.

Three forms of line, by Device OS (services/src/logging.cpp; 0.4 and 0.5: services/src/debug.c):

    0000012345 [comm.protocol] INFO: text      since 0.6
    0000012345:INFO : int handshake() (123):text   before
    text                                       copied without its head

`say` tells what a text means; what stands around it is the caller's.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple


class Said(StrEnum):
    """What a known line says."""

    CONNECTING = "connecting"
    NOT_RESOLVED = "not_resolved"
    RESOLVED = "resolved"  # value: the address
    SOCKET_FAILED = "socket_failed"  # value: the code
    SOCKETED = "socketed"
    STARTED = "started"
    NO_NONCE = "no_nonce"
    NONCE = "nonce"
    NOT_ENCRYPTED = "not_encrypted"
    IDENTITY = "identity"
    NO_CREDENTIALS = "no_credentials"
    CREDENTIALS = "credentials"
    NOT_DECRYPTED = "not_decrypted"
    NOT_SIGNED = "not_signed"
    HELLO = "hello"
    NO_HELLO = "no_hello"
    COMPLETED = "completed"
    CONNECTED = "connected"
    FAILED = "failed"  # value: the code of "Cloud handshake failed"
    ERROR = "error"  # value: a protocol error, whatever the version
    LOST = "lost"  # value: a protocol error that ended a session
    DISCONNECTING = "disconnecting"
    INTERNET = "internet"
    NO_INTERNET = "no_internet"
    DEVICE_ID = "device_id"
    ADDRESS = "address"
    VERSION = "version"
    PLATFORM = "platform"
    DNS_FAILED = "dns_failed"  # the cloud-debug firmware's own tests
    PORT_OPEN = "port_open"
    PORT_CLOSED = "port_closed"
    PING_FAILED = "ping_failed"
    DFU_SUFFIX = "dfu_suffix"  # tools beside the device
    NOT_READY = "network_not_ready"
    NEW_KEY = "new_key"
    TOOL_REFUSED = "tool_refused"
    TINKER = "tinker"
    ADDRESS_DEFAULTED = "address_defaulted"
    DTLS = "dtls"
    PANIC = "panic"


class Line(NamedTuple):
    """A line taken apart."""

    uptime: float | None  # seconds since the device started
    category: str  # "comm.lightssl.handshake", or the function of an old line; may be empty
    text: str


_MODERN = re.compile(r"(\d{10})\s+\[([\w.-]{1,64})\]\s+[A-Z]+\s*:\s?(.*)")
_OLD = re.compile(r"(\d{10}):\s*<?([A-Z]+)>?\s*:\s*(.*)")
_FUNCTION = re.compile(r"(.{0,200}?\))\s*\(\d+\):\s*(.*)")
_NUMBER = r"(-?\d{1,7})"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_ADDRESS = rf"(?!0\.)({_OCTET}(?:\.{_OCTET}){{3}})(?![.\d])"

# The first that matches counts. Upper and lower case differ between versions.
_TEXTS: tuple[tuple[str, Said], ...] = (
    (r"cloud: connecting", Said.CONNECTING),
    (r"unable to resolve ip", Said.NOT_RESOLVED),
    (r"resolved host(?: \S+)? to " + _ADDRESS, Said.RESOLVED),
    (r"connect(?:ed to cloud|ion attempt to) " + _ADDRESS, Said.RESOLVED),
    (r"cloud socket connection failed[^\d-]{0,8}" + _NUMBER, Said.SOCKET_FAILED),
    (r"cloud socket connected", Said.SOCKETED),
    (r"starting handshake", Said.STARTED),
    (r"started[:,] receive nonce", Said.STARTED),
    (r"could not receive nonce", Said.NO_NONCE),
    (r"encrypting (?:handshake )?nonce", Said.NONCE),
    (r"rsa encrypt error", Said.NOT_ENCRYPTED),
    (r"sending encrypted nonce", Said.IDENTITY),
    (r"unable to receive key", Said.NO_CREDENTIALS),
    (r"setting key", Said.CREDENTIALS),
    (r"decryption failed with code", Said.NOT_DECRYPTED),
    (r"signature validation failed", Said.NOT_SIGNED),
    (r"could not set key, 6\b", Said.NOT_DECRYPTED),
    (r"could not set key, 8\b", Said.NOT_SIGNED),
    (r"could not receive hello response", Said.NO_HELLO),
    (r"sending hello message|receiving hello response", Said.HELLO),
    (r"han(?:d)?shake: completed", Said.COMPLETED),
    (r"cloud handshake failed[^\d-]{0,8}" + _NUMBER, Said.FAILED),
    (r"handshake failed(?: with code|:) (\d{1,6})\b", Said.ERROR),
    (r"event loop error " + _NUMBER, Said.LOST),
    (r"cloud: disconnect", Said.DISCONNECTING),
    (r"cloud connected", Said.CONNECTED),
    (r"internet test failed", Said.NO_INTERNET),
    (r"internet available, cloud not reachable", Said.INTERNET),
    (r"(?:device id(?: is)?|coreid|deviceid)\W{1,4}([0-9a-f]{24})\b", Said.DEVICE_ID),
    (r"(?:local\s?ip|ip address|ipv4 address|device ip)\W{1,4}" + _ADDRESS, Said.ADDRESS),
    (r"system (?:firmware )?version(?: is)?\W{1,3}(\d{1,2}\.\d{1,2}[\w.-]{0,16})", Said.VERSION),
    (r"platform: ([\w -]{1,24})$", Said.PLATFORM),
    (r"failed to get \S+ from dns", Said.DNS_FAILED),
    (r"connected to device server coap", Said.PORT_OPEN),
    (r"could not connect to device server", Said.PORT_CLOSED),
    (r"ping addr 8\.8\.8\.8=0\b", Said.PING_FAILED),
    (r"invalid dfu suffix|valid dfu suffix|file has no dfu suffix", Said.DFU_SUFFIX),
    (r"network not ready", Said.NOT_READY),
    (r"permission denied", Said.TOOL_REFUSED),
    (r"keys doctor|new key created|okay! new keys in place", Said.NEW_KEY),
    (r"tinker\.bin|flash (?:--usb |--serial )?\S{0,64}\s?tinker", Said.TINKER),
    (r"read server address = type:255", Said.ADDRESS_DEFAULTED),
    (r"panic, ", Said.PANIC),
)
# What other programs print too: it makes no text a device's log.
ANYBODYS = frozenset({Said.ADDRESS, Said.VERSION, Said.PLATFORM, Said.TOOL_REFUSED})
_PATTERNS = tuple((re.compile(text, re.IGNORECASE), said) for text, said in _TEXTS)
_LINE_LIMIT = 2000  # characters looked at


def take_apart(line: str) -> Line:
    """Split a line into uptime, category and text; `> ` of a terminal program is dropped."""
    line = line[:_LINE_LIMIT].strip().removeprefix("> ")
    match = _MODERN.search(line)
    if match:
        return Line(int(match[1]) / 1000, match[2], match[3])
    match = _OLD.search(line)
    if match:
        inner = _FUNCTION.match(match[3])
        category, text = (inner[1], inner[2]) if inner else ("", match[3])
        return Line(int(match[1]) / 1000, category, text)
    return Line(None, "", line)


def say(line: Line) -> tuple[Said, str] | None:
    """What a line says, and the one value in it; None for lines that say nothing here.

    "Completed" of LightSSL comes before the Hellos: there it only means that both keys fit.
    """
    if line.category == "comm.dtls":
        return Said.DTLS, ""
    if line.text.startswith("Completed") and line.category.endswith(".handshake"):
        return (Said.HELLO if "lightssl" in line.category else Said.COMPLETED), ""
    for pattern, said in _PATTERNS:
        match = pattern.search(line.text)
        if match:
            return said, match[1] if match.groups() else ""
    return None


def is_classic(category: str) -> bool:
    """Whether a line is of the classic handshake code: Photon up to 0.7, Core always."""
    return "sparkprotocol" in category.lower() or "coreprotocol" in category.lower()


def is_lightssl(category: str) -> bool:
    """Whether a line is of the LightSSL code: Photon from 0.8 on."""
    return category.startswith("comm.lightssl")
