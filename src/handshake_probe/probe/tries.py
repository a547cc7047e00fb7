"""What several connections to one address show together."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_probe.model.probed import TcpProbed


def carries(tried: Sequence[TcpProbed]) -> bool:
    """Whether the handshake passes: two nonces that differ, and an identity if one was sent."""
    sound = [a for a in tried if a.first is not None and a.first.is_nonce]
    digests = {a.first.digest for a in sound if a.first is not None}
    spoken = [a for a in sound if a.sent == "identity"]
    return len(digests) > 1 and (not spoken or any(delivered(a) for a in spoken))


def delivered(tried: TcpProbed) -> bool:
    """Whether an identity arrived, and nobody but a cloud answered it."""
    arrived = tried.sent == "identity" and tried.delivery == "acknowledged"
    return arrived and tried.reply_looks_like is None and tried.ended_by not in ("reset", "icmp")


def settled(tried: Sequence[TcpProbed], speaks: bool) -> bool:
    """Whether a third connection would tell nothing new."""
    if carries(tried) and (not speaks or any(a.sent == "identity" for a in tried)):
        return True
    alike = {(a.outcome, a.first is not None and a.first.is_nonce, a.ended_by) for a in tried}
    return len(alike) == 1 and not any(a.first is not None and a.first.is_nonce for a in tried)
