"""What CoAP messages are for: the kinds, and the table that tells requests apart.

Requests are told by code and first Uri-Path segment, replies by the request they answer.
"""

from __future__ import annotations

from enum import StrEnum

from handshake_probe.packets.units import Direction


class Kind(StrEnum):
    """What a message is for."""

    HELLO = "hello"
    PING = "ping"
    ACK = "ack"
    RESET = "reset"
    REFUSAL = "refusal"
    RESPONSE = "response"
    DESCRIBE_REQUEST = "describe_request"
    DESCRIBE = "describe"
    DESCRIBE_POST = "describe_post"
    FUNCTION_CALL = "function_call"
    FUNCTION_RETURN = "function_return"
    VARIABLE_REQUEST = "variable_request"
    VARIABLE_VALUE = "variable_value"
    EVENT = "event"
    SUBSCRIBE = "subscribe"
    TIME_REQUEST = "time_request"
    TIME = "time"
    SIGNAL = "signal"
    KEY_CHANGE = "key_change"
    UPDATE_BEGIN = "update_begin"
    UPDATE_READY = "update_ready"
    CHUNK = "chunk"
    CHUNK_MISSED = "chunk_missed"
    UPDATE_DONE = "update_done"
    OTA_V3 = "ota_v3"
    SERVER_MOVED = "server_moved"
    GOODBYE = "goodbye"
    CLAIM_CODE = "claim_code"
    CLAIM_CONFIRMED = "claim_confirmed"
    SAFE_MODE = "safe_mode"
    KEY_ERROR = "key_error"
    RESET_COMMAND = "reset_command"
    UNKNOWN = "unknown"
    MALFORMED = "malformed"


GET, POST, PUT = 1, 2, 3

_DEVICE, _CLOUD = Direction.DEVICE_TO_CLOUD, Direction.CLOUD_TO_DEVICE

REQUESTS: dict[tuple[Direction, int, bytes], Kind] = {
    (_DEVICE, POST, b"h"): Kind.HELLO,
    (_DEVICE, POST, b"d"): Kind.DESCRIBE_POST,
    (_DEVICE, POST, b"e"): Kind.EVENT,
    (_DEVICE, POST, b"E"): Kind.EVENT,
    (_DEVICE, GET, b"e"): Kind.SUBSCRIBE,
    (_DEVICE, GET, b"E"): Kind.SUBSCRIBE,
    (_DEVICE, GET, b"t"): Kind.TIME_REQUEST,
    (_DEVICE, GET, b"c"): Kind.CHUNK_MISSED,
    (_DEVICE, PUT, b"u"): Kind.UPDATE_DONE,
    (_DEVICE, POST, b"x"): Kind.GOODBYE,
    (_CLOUD, POST, b"h"): Kind.HELLO,
    (_CLOUD, GET, b"d"): Kind.DESCRIBE_REQUEST,
    (_CLOUD, POST, b"f"): Kind.FUNCTION_CALL,
    (_CLOUD, GET, b"v"): Kind.VARIABLE_REQUEST,
    (_CLOUD, POST, b"e"): Kind.EVENT,
    (_CLOUD, POST, b"E"): Kind.EVENT,
    (_CLOUD, PUT, b"s"): Kind.SIGNAL,
    (_CLOUD, PUT, b"k"): Kind.KEY_CHANGE,
    (_CLOUD, POST, b"u"): Kind.UPDATE_BEGIN,
    (_CLOUD, POST, b"s"): Kind.UPDATE_BEGIN,  # SaveBegin of old servers, same payload
    (_CLOUD, POST, b"c"): Kind.CHUNK,
    (_CLOUD, PUT, b"u"): Kind.UPDATE_DONE,
    (_CLOUD, POST, b"S"): Kind.OTA_V3,
    (_CLOUD, POST, b"C"): Kind.OTA_V3,
    (_CLOUD, POST, b"F"): Kind.OTA_V3,
    (_CLOUD, POST, b"M"): Kind.SERVER_MOVED,
}

# What a 2.xx answer to a request is; any other is a plain response.
ANSWERS: dict[Kind, Kind] = {
    Kind.DESCRIBE_REQUEST: Kind.DESCRIBE,
    Kind.FUNCTION_CALL: Kind.FUNCTION_RETURN,
    Kind.VARIABLE_REQUEST: Kind.VARIABLE_VALUE,
    Kind.TIME_REQUEST: Kind.TIME,
    Kind.UPDATE_BEGIN: Kind.UPDATE_READY,
}
