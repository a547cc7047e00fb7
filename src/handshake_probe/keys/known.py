"""Keys that anybody can have, and damaged copies of keys that are at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from handshake_probe.keys.particle import PARTICLE_CLOUD


class Published(NamedTuple):
    """A key whose halves, or one of them, are public knowledge."""

    what: str
    private: bool  # the private half is public too: whoever uses it has no secret


# By fingerprint. Read from the npm package particle-cli 3.43.1 (assets/keys), Device OS
# (communication/tests/ConstructorFixture.cpp) and this project's own test vectors.
PUBLISHED: Mapping[str, Published] = {
    PARTICLE_CLOUD.fingerprint: Published("the Particle cloud's TCP key", private=False),
    "sha256:a22c78edbbefc04d": Published("the Particle cloud's UDP key", private=False),
    "sha256:e8dd5d7320c91086": Published("the device key of Device OS's unit tests", private=True),
    "sha256:00238298badc49b9": Published("the device key of published test vectors", private=True),
    "sha256:c4b81afbcceba39b": Published("the cloud key of published test vectors", private=True),
}

# Two independent keys differ in half of their bits; in a quarter or less, only copies do
# (chance below 2^-190 for 1024 bits).
_COPY_DIFFERS_IN = 4


def describe_copy(n: int, original: int, bits: int, first_byte: int | None) -> str | None:
    """Say where `n` differs from `original`, if it is a damaged copy of it; else None.

    `first_byte` is the offset of n in its file, None to name no bytes.
    """
    difference = n ^ original
    count = difference.bit_count()
    if not 0 < count <= bits // _COPY_DIFFERS_IN:
        return None
    length = bits // 8
    changed = [i for i, byte in enumerate(difference.to_bytes(length, "big")) if byte]
    flipped = "1 bit differs" if count == 1 else f"{count} bits differ"
    if first_byte is None:
        return flipped
    low, high = first_byte + changed[0], first_byte + changed[-1]
    if len(changed) == 1:
        return f"{flipped}, in byte {low} of the file"
    return f"{flipped}, in bytes {low} to {high} of the file"
