"""What a capture cannot have shown whole: frames that a filter left out, or that it lost.

TCP repeats what nobody acknowledges. Where neither an acknowledgment nor a repeat was captured,
the silence is the capture's and proves nothing about the path.
"""

from __future__ import annotations

from typing import Final

from handshake_probe.model.observations import DirectionSeen

# Seconds by which a first repeat was due: the longest RTO to start with is 3 s (RFC 6298).
REPEAT_OVERDUE: Final = 5.0
UNFILTERED: Final = (
    "A capture of all frames of the connection, those without payload included (no display filter, "
    "no filter on flags or lengths)."
)


def unconfirmed(sent: DirectionSeen, until: float) -> bool:
    """Whether nothing acknowledges the last a side sent, and it did not repeat that either.

    Args:
        sent: what the side sent.
        until: when the capture ends, in seconds.
    """
    return (
        sent.sent_up_to > max(sent.acknowledged_up_to, 1)
        and not sent.unacknowledged_retransmissions
        and sent.last_data is not None
        and until - sent.last_data >= REPEAT_OVERDUE
    )


def sent_unseen(sent: DirectionSeen) -> int:
    """How many of the bytes a side has sent by its own numbers lie behind all that was captured."""
    unseen = sent.claimed_up_to - max(sent.sent_up_to, 1)
    return unseen if unseen > 1 else 0  # a FIN takes a number of its own
