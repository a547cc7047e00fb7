"""One reader per kind of message: its summary in one line and its details as plain scalars."""

from __future__ import annotations

from collections.abc import Callable

from handshake_probe.protocol.coap import CoapMessage, Option
from handshake_probe.protocol.hello import goodbye_summary, hello_summary, read_goodbye, read_hello
from handshake_probe.protocol.kinds import Kind
from handshake_probe.protocol.system_events import event_name
from handshake_probe.protocol.text import Details, one_line

_DESCRIBE_PARTS = {1: "system", 2: "application", 4: "metrics"}


def _hello(message: CoapMessage) -> tuple[str, Details]:
    details = read_hello(message.payload)
    return hello_summary(details), details


def _goodbye(message: CoapMessage) -> tuple[str, Details]:
    details = read_goodbye(message.payload)
    return goodbye_summary(details), details


def _number(data: bytes) -> int | None:
    return int.from_bytes(data, "big") if data else None


def _query(message: CoapMessage) -> bytes:
    return b"&".join(message.values(Option.URI_QUERY))


def _describe_flags(message: CoapMessage) -> tuple[str, Details]:
    """Describe request or post: a query byte says which parts (1 system, 2 application, 4 …)."""
    query = _query(message)
    flags = query[0] if query else None
    parts = [name for bit, name in _DESCRIBE_PARTS.items() if flags is not None and flags & bit]
    block = _number(b"".join(message.values(Option.BLOCK1))[:3])
    details: Details = {
        "describe_flags": flags,
        "parts": ",".join(parts) or None,
        "data_length": len(message.payload),
        "block_number": None if block is None else block >> 4,
        "block_more": None if block is None else bool(block & 8),
    }
    what = details["parts"] or "without flags"
    if not message.payload:
        return f"describe request ({what})", details
    return f"describe post ({what}, {len(message.payload)} bytes)", details


def _describe(message: CoapMessage) -> tuple[str, Details]:
    length = len(message.payload)
    details: Details = {
        "data_length": length,
        "data": one_line(message.payload),
        "in_blocks": bool(message.values(Option.BLOCK2)),
    }
    return f"describe ({length} bytes)", details


def _function_call(message: CoapMessage) -> tuple[str, Details]:
    name, argument = one_line(event_name(message)), _query(message)
    details: Details = {"function": name, "argument": one_line(argument)}
    return f"function call {name} ({len(argument)} bytes)", details


def _function_return(message: CoapMessage) -> tuple[str, Details]:
    value = None
    if len(message.payload) == 4:
        value = int.from_bytes(message.payload, "big", signed=True)
    shown = f"{len(message.payload)} bytes" if value is None else str(value)
    return f"function return {shown}", {"value": value}


def _variable_request(message: CoapMessage) -> tuple[str, Details]:
    name = one_line(event_name(message))
    return f"variable request {name}", {"variable": name}


def _variable_value(message: CoapMessage) -> tuple[str, Details]:
    """Give a value as bytes and text; its type only a Describe would tell."""
    data = message.payload
    details: Details = {"data_length": len(data), "hex": data[:32].hex(), "data": one_line(data)}
    return f"variable value ({len(data)} bytes)", details


def _subscribe(message: CoapMessage) -> tuple[str, Details]:
    prefix, scope = one_line(event_name(message)), _query(message)
    details: Details = {
        "prefix": prefix,
        "scope": one_line(scope) or None,  # "u": my devices
        "device": one_line(message.payload) or None,
    }
    return f"subscribe {prefix or 'to everything'}", details


def _time(message: CoapMessage) -> tuple[str, Details]:
    seconds = _number(message.payload) if len(message.payload) == 4 else None
    shown = f"{len(message.payload)} bytes" if seconds is None else str(seconds)
    return f"time {shown}", {"unix_seconds": seconds}


def _signal(message: CoapMessage) -> tuple[str, Details]:
    on = any(_query(message)[:1])
    return f"signal {'on' if on else 'off'}", {"on": on}


def _update_begin(message: CoapMessage) -> tuple[str, Details]:
    """Payload: flags u8, chunk u16, size u32, store u8, address u32."""
    data = message.payload
    whole = len(data) >= 12
    details: Details = {
        "flags": _number(data[:1]),
        "chunk_size": _number(data[1:3]) if whole else None,
        "size": _number(data[3:7]) if whole else None,
        "store": data[7] if whole else None,
    }
    shown = f"{details['size']} bytes" if whole else "unreadable"
    return f"update begin ({shown})", details


def _update_ready(message: CoapMessage) -> tuple[str, Details]:
    return "update ready", {"flags": _number(message.payload[:1])}


def _chunk(message: CoapMessage) -> tuple[str, Details]:
    """Uri-Query: CRC-32 (4 bytes), then perhaps the index (2 bytes)."""
    queries = [*message.values(Option.URI_QUERY), b"", b""]
    index = _number(queries[1][:2])
    details: Details = {
        "crc": queries[0][:4].hex() or None,
        "chunk": index,
        "data_length": len(message.payload),
    }
    shown = "" if index is None else f" {index}"
    return f"chunk{shown} ({len(message.payload)} bytes)", details


def _chunk_missed(message: CoapMessage) -> tuple[str, Details]:
    """Payload: indices, 16 bits each."""
    data = message.payload
    indices = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2)]
    shown = ",".join(map(str, indices[:16]))
    return f"chunks missed: {len(indices)}", {"count": len(indices), "chunks": shown}


def _ota_v3(message: CoapMessage) -> tuple[str, Details]:
    step = {b"S": "start", b"C": "chunk", b"F": "finish"}[message.values(Option.URI_PATH)[0]]
    return f"update v3 {step} ({len(message.payload)} bytes)", {"step": step}


def _plain(text: str) -> Callable[[CoapMessage], tuple[str, Details]]:
    """Return a reader that says `text` and the payload's length."""

    def read(message: CoapMessage) -> tuple[str, Details]:
        return text, {"data_length": len(message.payload)}

    return read


READERS: dict[Kind, Callable[[CoapMessage], tuple[str, Details]]] = {
    Kind.HELLO: _hello,
    Kind.GOODBYE: _goodbye,
    Kind.DESCRIBE_REQUEST: _describe_flags,
    Kind.DESCRIBE_POST: _describe_flags,
    Kind.DESCRIBE: _describe,
    Kind.FUNCTION_CALL: _function_call,
    Kind.FUNCTION_RETURN: _function_return,
    Kind.VARIABLE_REQUEST: _variable_request,
    Kind.VARIABLE_VALUE: _variable_value,
    Kind.SUBSCRIBE: _subscribe,
    Kind.TIME_REQUEST: _plain("time request"),
    Kind.TIME: _time,
    Kind.SIGNAL: _signal,
    Kind.KEY_CHANGE: _plain("key change: the device discards its session"),
    Kind.UPDATE_BEGIN: _update_begin,
    Kind.UPDATE_READY: _update_ready,
    Kind.CHUNK: _chunk,
    Kind.CHUNK_MISSED: _chunk_missed,
    Kind.UPDATE_DONE: _plain("update done"),
    Kind.OTA_V3: _ota_v3,
    Kind.SERVER_MOVED: _plain("server moved"),
}
