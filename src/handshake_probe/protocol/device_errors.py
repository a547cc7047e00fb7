"""What a device calls its failures: Device OS's ProtocolError numbers.

Logged as such up to 1.5, as the negative number of a system error since 2.0 (Device OS,
communication/inc/protocol_defs.h).
"""

from __future__ import annotations

from enum import IntEnum


class DeviceError(IntEnum):
    """The numbers that can end a connection over TCP."""

    PING_TIMEOUT = 1
    INSUFFICIENT_STORAGE = 4  # a record longer than the buffer
    MALFORMED_MESSAGE = 5  # classic firmware: a message it cannot classify
    DECRYPTION_ERROR = 6  # padding of the credentials' ciphertext, or more than 40 bytes in it
    ENCRYPTION_ERROR = 7  # the server's modulus is unusable: no identity can be made
    AUTHENTICATION_ERROR = 8  # the credentials' signature
    MESSAGE_TIMEOUT = 10  # no Hello of the cloud
    LIGHTSSL_BLOCKING_RECEIVE = 23  # the rest of a record did not come
    LIGHTSSL_RECEIVE = 24  # the connection ended between records
    LIGHTSSL_HANDSHAKE_NONCE = 25  # no 40 bytes
    LIGHTSSL_HANDSHAKE_RECV_KEY = 26  # no 384 bytes
    MISSING_REQUEST_TOKEN = 28
