"""The payloads of a device's Hello and Goodbye."""

from __future__ import annotations

from handshake_probe.protocol.text import Details, one_line

FLAGS = {
    0x01: "ota_succeeded",
    0x02: "diagnostics",
    0x04: "immediate_updates",
    0x08: "handshake_complete",
    0x10: "goodbye",
    0x20: "device_describes",
    0x40: "compressed_ota",
    0x80: "ota_v3",
}

# Module numbers of released Device OS versions that say so in their Hello and still speak TCP.
DEVICE_OS = {
    3005: "3.0.0",
    3103: "3.1.0",
    3201: "3.2.0",
    3301: "3.3.0",
    3302: "3.3.1",
}

CLOUD_REASONS = {
    1: "error",
    2: "user",
    3: "network",
    4: "listening_mode",
    5: "system_reset",
    6: "sleep",
    7: "unknown",
    8: "server_moved",
}

_GOODBYE_FIELDS = (
    (1, "cloud_reason"),
    (2, "reset_reason"),
    (4, "sleep_seconds"),
    (8, "network_reason"),
)


def device_os_of(module: int) -> str | None:
    """Return the Device OS version a module number stands for: 3302 is "3.3.1".

    An unlisted number of the 3000s and above gives "3.4.x" (thousands and hundreds of it); older
    numbers cannot appear in a Hello and give None.
    """
    if module in DEVICE_OS:
        return DEVICE_OS[module]
    if not 3000 <= module < 0xFFFF:
        return None
    return f"{module // 1000}.{module // 100 % 10}.x"


def read_hello(payload: bytes) -> Details:
    """Read a Hello: product id, product version, flags, platform id, 16 bits each, and more.

    Firmware before 2014 ends after the flags (6 bytes). Device OS 3.0 and later append, behind a
    device id (empty over TCP), module number, largest message (16 bits each), largest binary (32)
    and OTA chunk size (16). Absent fields are None.
    """
    product, version, flags, platform = (_word(payload, at) for at in (0, 2, 4, 6))
    id_length = payload[9] if len(payload) > 9 else 0
    device_id, tail = payload[10 : 10 + id_length], payload[10 + id_length :]
    module = _word(tail, 0)
    return {
        "product_id": product,
        "product_version": version,
        "flags": flags,
        "flag_names": None if flags is None else _names(flags),
        "platform_id": platform,
        "device_id": device_id.hex() or None,
        "device_os_module": module,
        "device_os": None if module is None else device_os_of(module),
        "max_message_size": _word(tail, 2),
        "max_binary_size": int.from_bytes(tail[4:8], "big") if len(tail) >= 8 else None,
        "ota_chunk_size": _word(tail, 8),
    }


def hello_summary(details: Details) -> str:
    """Say a device's Hello in one line."""
    if details["product_id"] is None:
        return "Hello without payload"
    parts = [f"Hello product={details['product_id']}"]
    for name, key in (("firmware", "product_version"), ("flags", "flags")):
        value = details[key]
        if isinstance(value, int):
            parts.append(f"{name}=0x{value:04x}")
    if details["platform_id"] is not None:
        parts.append(f"platform={details['platform_id']}")
    if details["device_os"] is not None:
        parts.append(f"Device OS {details['device_os']}")
    return " ".join(parts)


def read_goodbye(payload: bytes) -> Details:
    """Read a Goodbye: varints (7 bits a byte, lowest first); a field mask, then what it names.

    Fields in order: 1 cloud reason, 2 reset reason, 4 sleep seconds, 8 network reason. Absent or
    cut-off fields are None.
    """
    numbers = _varints(payload)
    mask = numbers.pop(0) if numbers else 0
    out: Details = {}
    for bit, name in _GOODBYE_FIELDS:
        out[name] = numbers.pop(0) if mask & bit and numbers else None
    reason = out["cloud_reason"]
    out["reason"] = CLOUD_REASONS.get(reason) if isinstance(reason, int) else None
    return out


def goodbye_summary(details: Details) -> str:
    """Say a Goodbye in one line."""
    parts = [f"{name}={details[name]}" for _, name in _GOODBYE_FIELDS if details[name] is not None]
    reason = details["reason"]
    text = f" ({one_line(str(reason).encode())})" if reason else ""
    return " ".join(["Goodbye", *parts]) + text


def _word(data: bytes, at: int) -> int | None:
    """Return 16 bits, None when they are not there."""
    word = data[at : at + 2]
    return int.from_bytes(word, "big") if len(word) == 2 else None


def _names(flags: int) -> str:
    return ",".join(name for bit, name in FLAGS.items() if flags & bit)


def _varints(data: bytes) -> list[int]:
    """Read complete varints; one that is cut off or longer than 32 bits ends the list."""
    out: list[int] = []
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            out.append(value)
            value = shift = 0
        elif shift > 28:
            break
    return out
