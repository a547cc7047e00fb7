"""Keys as files, as the recordings' key folders hold them."""

from __future__ import annotations

from base64 import encodebytes
from collections.abc import Mapping

from handshake_probe.keys.der import SEQUENCE, encode, encode_integer
from handshake_probe.keys.fingerprint import spki
from handshake_probe.keys.numbers import PrivateNumbers


def key_files(
    clouds: Mapping[str, PrivateNumbers],
    registered: Mapping[str, PrivateNumbers],
    flash: Mapping[str, bytes],
) -> dict[str, bytes]:
    """Return files by name.

    Args:
        clouds: Keys of clouds by the beginning of their files' names: `cloud`, `cloud2`.
        registered: The keys on file by device id.
        flash: What the devices' key slots hold, by device id.
    """
    files = {}
    for name, numbers in clouds.items():
        private = encode(SEQUENCE, b"".join(map(encode_integer, (0, *numbers))))
        files[f"{name}_private.pem"] = _pem("RSA PRIVATE KEY", private)
        files[f"{name}_public.der"] = spki(numbers.n, numbers.e)
    for device_id, numbers in registered.items():
        files[f"{device_id}.pub.pem"] = _pem("PUBLIC KEY", spki(numbers.n, numbers.e))
    files |= {f"{device_id}.der": slot for device_id, slot in flash.items()}
    return files


def _pem(label: str, der: bytes) -> bytes:
    body = encodebytes(der).replace(b"\n", b"")
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    head, tail = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
    return b"\n".join([head, *lines, tail, b""])
