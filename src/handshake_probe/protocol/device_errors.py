"""What a device calls its failures, in the three numberings of its firmware.

Device OS, communication/inc/protocol_defs.h, communication/src/protocol_defs.cpp and
services/inc/system_error.h. The line "Cloud handshake failed, code=N" holds

- up to 0.7 on a Photon, always on a Core: the socket's own result, a small negative number
  (0.4.0: -1, and 1 and 2 for decryption and signature);
- from 0.8 to 1.5 a protocol error, 0 and up;
- since 2.0 a system error, -100 and down. Several protocol errors share one.

"handshake failed with code N" in the category comm.protocol holds a protocol error at all times.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple


class Numbering(StrEnum):
    """What a number in a device's log counts."""

    SOCKET = "socket_result"
    PROTOCOL = "protocol_error"
    SYSTEM = "system_error"


class SystemCode(IntEnum):
    """System errors a cloud connection can end with."""

    NONE = 0
    UNKNOWN = -100
    NOT_ALLOWED = -130
    ABORTED = -150
    TIMEOUT = -160
    NOT_FOUND = -170
    TOO_LARGE = -190
    LIMIT_EXCEEDED = -200
    END_OF_STREAM = -201
    INVALID_STATE = -210
    IO = -220
    NETWORK = -230
    PROTOCOL = -240
    INTERNAL = -250
    NO_MEMORY = -260


class DeviceError(IntEnum):
    """Protocol errors."""

    NO_ERROR = 0
    PING_TIMEOUT = 1
    IO_ERROR = 2
    INVALID_STATE = 3
    INSUFFICIENT_STORAGE = 4
    MALFORMED_MESSAGE = 5
    DECRYPTION_ERROR = 6
    ENCRYPTION_ERROR = 7
    AUTHENTICATION_ERROR = 8
    BANDWIDTH_EXCEEDED = 9
    MESSAGE_TIMEOUT = 10
    MISSING_MESSAGE_ID = 11
    MESSAGE_RESET = 12
    SESSION_RESUMED = 13
    FORWARD_MESSAGE_CHANNEL = 14
    DATA_MAX_EXCEEDED = 15
    PARSING_SERVER_PUBLIC_KEY = 16
    GENERIC_ESTABLISH = 17
    GENERIC_RECEIVE = 18
    GENERIC_SEND = 19
    GENERIC_SSL_WRITE = 20
    DISCARD_SESSION = 21
    LIGHTSSL_BLOCKING_SEND = 22
    LIGHTSSL_BLOCKING_RECEIVE = 23
    LIGHTSSL_RECEIVE = 24
    LIGHTSSL_HANDSHAKE_NONCE = 25
    LIGHTSSL_HANDSHAKE_RECV_KEY = 26
    NOT_IMPLEMENTED = 27
    MISSING_REQUEST_TOKEN = 28
    NOT_FOUND = 29
    NO_MEMORY = 30
    INTERNAL = 31
    OTA_UPDATE_ERROR = 32
    SOCKET_SEND_FAILED = 33
    SOCKET_RECEIVE_FAILED = 34
    REMOTE_END_CLOSED = 35
    COAP_ERROR = 36
    UNKNOWN = 0x7FFFF


class ErrorRow(NamedTuple):
    """One protocol error."""

    means: str
    system_error: SystemCode | None  # logged for it since 2.0; None where no source was read
    flash: str = "red"  # colour of the 250 ms flash up to 1.5; since 2.0 every one is red


_IO, _PROTOCOL, _TIMEOUT = SystemCode.IO, SystemCode.PROTOCOL, SystemCode.TIMEOUT

ERRORS: dict[DeviceError, ErrorRow] = {
    DeviceError.NO_ERROR: ErrorRow("no error", SystemCode.NONE),
    DeviceError.PING_TIMEOUT: ErrorRow(
        "a running session: no answer within 10 s of the device's ping", _TIMEOUT
    ),
    DeviceError.IO_ERROR: ErrorRow("sending or receiving failed", _IO),
    DeviceError.INVALID_STATE: ErrorRow(
        "asked for in a state that does not allow it", SystemCode.INVALID_STATE
    ),
    DeviceError.INSUFFICIENT_STORAGE: ErrorRow(
        "a record longer than the device's buffer", SystemCode.TOO_LARGE
    ),
    DeviceError.MALFORMED_MESSAGE: ErrorRow(
        "a message it cannot classify (ends the session on classic firmware)", _PROTOCOL
    ),
    DeviceError.DECRYPTION_ERROR: ErrorRow(
        "the cloud's 384 bytes came, and the device's own private key does not open them: "
        "wrong padding, or more than 40 bytes inside",
        _PROTOCOL,
        "orange",
    ),
    DeviceError.ENCRYPTION_ERROR: ErrorRow(
        "the nonce came, and no identity could be made: the stored server key is unusable",
        _PROTOCOL,
    ),
    DeviceError.AUTHENTICATION_ERROR: ErrorRow(
        "the device opened the cloud's answer, and its signature is not by the stored server key",
        SystemCode.NOT_ALLOWED,
        "magenta",
    ),
    DeviceError.BANDWIDTH_EXCEEDED: ErrorRow(
        "more events than are allowed", SystemCode.LIMIT_EXCEEDED
    ),
    DeviceError.MESSAGE_TIMEOUT: ErrorRow(
        "no Hello of the cloud within 4 s of the device's, or a message stayed unacknowledged",
        _TIMEOUT,
    ),
    DeviceError.MISSING_MESSAGE_ID: ErrorRow("a message without an id", _PROTOCOL),
    DeviceError.MESSAGE_RESET: ErrorRow("the cloud refused a message with a CoAP reset", _PROTOCOL),
    DeviceError.SESSION_RESUMED: ErrorRow("no error: a DTLS session was taken up again", None),
    DeviceError.FORWARD_MESSAGE_CHANNEL: ErrorRow("the message could not be passed on", _IO),
    DeviceError.DATA_MAX_EXCEEDED: ErrorRow("session data too long to be kept", _IO),
    DeviceError.PARSING_SERVER_PUBLIC_KEY: ErrorRow(
        "UDP devices: the stored server key (elliptic curve) is unreadable", _IO
    ),
    DeviceError.GENERIC_ESTABLISH: ErrorRow("UDP devices: the DTLS handshake failed", _IO),
    DeviceError.GENERIC_RECEIVE: ErrorRow("UDP devices: receiving failed", _IO),
    DeviceError.GENERIC_SEND: ErrorRow("UDP devices: sending failed", _IO),
    DeviceError.GENERIC_SSL_WRITE: ErrorRow("UDP devices: encrypting a message failed", _IO),
    DeviceError.DISCARD_SESSION: ErrorRow(
        "UDP devices: the session was given up, as after a change of keys", _IO
    ),
    DeviceError.LIGHTSSL_BLOCKING_SEND: ErrorRow("sending failed", _IO),
    DeviceError.LIGHTSSL_BLOCKING_RECEIVE: ErrorRow(
        "a record began, and the rest of it did not come", _IO
    ),
    DeviceError.LIGHTSSL_RECEIVE: ErrorRow("the connection ended between two records", _IO),
    DeviceError.LIGHTSSL_HANDSHAKE_NONCE: ErrorRow(
        "connected, and the cloud's first 40 bytes (the nonce) did not come", _IO
    ),
    DeviceError.LIGHTSSL_HANDSHAKE_RECV_KEY: ErrorRow(
        "the identity was sent, and the cloud's 384 bytes did not come: it hung up, or the answer "
        "was lost",
        _IO,
    ),
    DeviceError.NOT_IMPLEMENTED: ErrorRow("a request the firmware does not know", None),
    DeviceError.MISSING_REQUEST_TOKEN: ErrorRow("a request of the cloud without a token", None),
    DeviceError.NOT_FOUND: ErrorRow("what was asked for does not exist", None),
    DeviceError.NO_MEMORY: ErrorRow("out of memory", None),
    DeviceError.INTERNAL: ErrorRow("an error inside the firmware", None),
    DeviceError.OTA_UPDATE_ERROR: ErrorRow("a firmware update over the air failed", None),
    DeviceError.SOCKET_SEND_FAILED: ErrorRow("sending failed", _IO),
    DeviceError.SOCKET_RECEIVE_FAILED: ErrorRow("receiving failed", _IO),
    DeviceError.REMOTE_END_CLOSED: ErrorRow(
        "UDP devices: the cloud closed the DTLS session", SystemCode.END_OF_STREAM
    ),
    DeviceError.COAP_ERROR: ErrorRow("a CoAP error", _PROTOCOL),
    DeviceError.UNKNOWN: ErrorRow("an error without a number of its own", None),
}


def numbering_of(code: int) -> Numbering:
    """Which numbering the number of a "Cloud handshake failed" line must be from."""
    if code >= 0:
        return Numbering.PROTOCOL
    return Numbering.SYSTEM if code <= SystemCode.UNKNOWN else Numbering.SOCKET


def error_of(number: int | None) -> DeviceError | None:
    """The protocol error with this number, None for a number without one."""
    return next((error for error in ERRORS if error == number), None)


def errors_logged_as(code: int) -> tuple[DeviceError, ...]:
    """The protocol errors that a number can stand for; none for a socket's result."""
    return tuple(
        error
        for error, row in ERRORS.items()
        if code == error or (code < 0 and code == row.system_error)
    )
