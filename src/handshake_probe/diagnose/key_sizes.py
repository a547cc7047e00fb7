"""What the sizes of RSA blocks say about the key that made them.

A block is a number below its key's modulus, and evenly spread over all of them. One block that is
not below a modulus refutes that key for certain. Many blocks that all stay far below it make the
key unlikely: the chance that k blocks of modulus n stay below x is (x / n)^k. Such a chance is told
as a finding beside others; it never decides by itself (see `judge_identity`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from handshake_probe.diagnose.case import Case
from handshake_probe.diagnose.group import Group
from handshake_probe.diagnose.judgement import Clue, frames
from handshake_probe.model.measurement import KeyUsed
from handshake_probe.model.observations import ConnectionSeen
from handshake_probe.model.vocabulary import Confidence

# Below this chance a key is told as unlikely, below the second it counts as a reason.
TELLING, WEIGHTY = 0.01, 1e-6

# What damage leaves in a server slot, as the firmware reads a modulus from it, by its size.
_DAMAGES = {
    "PEM text in the slot": 0.254905,
    "an elliptic-curve key in the slot": 0.7627,
}
_SHIFTED = "the cloud's key, shifted by one byte"

# How often likelier a reading must be for each word.
_WORDS = ((1000.0, "strongly"), (20.0, "clearly"), (3.0, "slightly"))


@dataclass(frozen=True, slots=True)
class Sizes:
    """Independent blocks of one kind: how many, and the largest."""

    count: int
    largest: float  # in units of what such a block can hold
    evidence: tuple[str, ...]  # the largest one's connection and frame

    def chance(self, modulus: float) -> float:
        """The chance that blocks of this modulus all stay as small; 0 refutes the key.

        Rounding cannot refute wrongly: it never turns "below" into "above", only into "equal".
        """
        return 0.0 if self.largest > modulus else (self.largest / modulus) ** self.count

    def likelier(self, one: float, other: float) -> float:
        """How many times likelier these blocks are under one modulus than under another."""
        if self.largest > one:
            return 0.0
        return float("inf") if self.largest > other else (other / one) ** self.count


def identity_sizes(case: Case) -> Sizes | None:
    """All different identities of the device to this cloud."""
    return case.siblings.once(_identities).get(case.connection.cloud)


def _identities(connections: Group[ConnectionSeen]) -> dict[str, Sizes]:
    return _sizes(
        (c.cloud, _Block(c.identity.share, c.identity.digest, c.id, c.identity.frame))
        for c in connections
        if c.identity is not None
    )


def credentials_sizes(case: Case) -> Sizes | None:
    """All different ciphertexts that this cloud sent the device."""
    return case.siblings.once(_ciphertexts).get(case.connection.cloud)


def _ciphertexts(connections: Group[ConnectionSeen]) -> dict[str, Sizes]:
    return _sizes(
        (
            c.cloud,
            _Block(c.credentials.share, str(c.credentials.share), c.id, c.credentials.frame),
        )
        for c in connections
        if c.credentials is not None and c.credentials.looks_like is None
    )


class _Block(NamedTuple):
    share: float | None
    digest: str | None
    connection: str
    frame: int


def _sizes(seen: Iterable[tuple[str, _Block]]) -> dict[str, Sizes]:
    """Count, for each cloud, blocks that differ: one seen twice says nothing new."""
    different: dict[str, dict[str | None, _Block]] = defaultdict(dict)
    for cloud, block in seen:
        if block.share:
            different[cloud][block.digest] = block
    found = {}
    for cloud, blocks in different.items():
        largest = max(
            (block.share or 0.0, block.connection, block.frame) for block in blocks.values()
        )
        found[cloud] = Sizes(len(blocks), largest[0], (largest[1], *frames(largest[2])))
    return found


def identity_clues(case: Case) -> tuple[Clue, ...]:
    """What the identities' sizes add to an open question about the server key."""
    sizes = identity_sizes(case)
    if sizes is None:
        return ()
    told = [_bound(case, sizes), too_small(case, sizes)]
    return tuple(clue for clue in told if clue is not None)


def _bound(case: Case, sizes: Sizes) -> Clue | None:
    """The modulus in the device is larger than every identity; hold that against each given key."""
    shares = {key.source: key.share for key in case.keys.cloud.values() if key.share is not None}
    refuted = [name for name, share in shares.items() if sizes.chance(share) == 0.0]
    if not shares or (sizes.count == 1 and not refuted):
        return None
    parts = [
        f"{_as_many(sizes, 'identity', 'identities')}, the largest at {sizes.largest:.4f} of the "
        "range: the device's server key is larger than that"
    ]
    parts += [f"it is not {name}, which ends at {shares[name]:.4f}" for name in refuted]
    left = {name: share for name, share in shares.items() if name not in refuted}
    for name, share in left.items():
        others = [other for other in left.values() if other > share]
        word = word_for(min(sizes.likelier(share, other) for other in others)) if others else None
        if word is not None:
            parts.append(f"this speaks {word} for {name} among the keys that are left")
    return Clue("HP208", "; ".join(parts) + ".", sizes.evidence)


def too_small(case: Case, sizes: Sizes) -> Clue | None:
    """The identities are smaller than those of the cloud's key would be; None when they are not."""
    key = case.keys.cloud.get(case.keys.cloud_key or "")
    if key is None or key.share is None:
        return None
    chance = sizes.chance(key.share)
    if not 0.0 < chance <= TELLING:
        return None
    return Clue(
        "HP207",
        f"{_as_many(sizes, 'identity', 'identities')} all below {sizes.largest:.4f} of the range: "
        f"made with {key.source}, which ends at {key.share:.4f}, this has a chance of "
        f"{chance:.1e}.{_likeliest(sizes, key.share)}",
        sizes.evidence,
        Confidence.LIKELY if chance <= WEIGHTY else Confidence.POSSIBLE,
    )


def _likeliest(sizes: Sizes, cloud: float) -> str:
    """Name the damage that would explain the sizes best, with a word for how much better."""
    readings = {**_DAMAGES, _SHIFTED: cloud / 256}  # erased flash would make larger ones
    times, name = max((sizes.likelier(share, cloud), name) for name, share in readings.items())
    word = word_for(times)
    return "" if word is None else f" They speak {word} for {name} instead."


def credentials_clues(case: Case) -> tuple[Clue, ...]:
    """What the ciphertexts' sizes add to an open question about the device's key."""
    sizes = credentials_sizes(case)
    if sizes is None:
        return ()
    clues = []
    for key in _own_keys(case):
        chance = sizes.chance(key.share or 1.0)
        if chance == 0.0:
            clues.append(
                Clue(
                    "HP312",
                    f"The cloud does not encrypt for {key.source}: a ciphertext lies at "
                    f"{sizes.largest:.4f} of the range, and that key ends at {key.share:.4f}.",
                    sizes.evidence,
                )
            )
        elif chance <= TELLING:
            clues.append(
                Clue(
                    "HP313",
                    f"{_as_many(sizes, 'ciphertext', 'ciphertexts')} all below "
                    f"{sizes.largest:.4f} of the range: made for {key.source}, which ends at "
                    f"{key.share:.4f}, this has a chance of {chance:.1e}.",
                    sizes.evidence,
                    Confidence.POSSIBLE,
                )
            )
    return tuple(clues)


def _own_keys(case: Case) -> list[KeyUsed]:
    """The keys given for this very device: what it holds, and what is registered for it."""
    roles = ("device_private", "registered")
    return [key for key in case.keys.of_device(case.device_id) if key.role in roles and key.share]


def _as_many(sizes: Sizes, one: str, several: str) -> str:
    return f"1 {one}" if sizes.count == 1 else f"{sizes.count} {several}"


def word_for(times: float) -> str | None:
    """An honest word for "so many times likelier"; None when that says nothing."""
    return next((word for least, word in _WORDS if times >= least), None)
