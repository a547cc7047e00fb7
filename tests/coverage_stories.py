"""All codes of the catalogue, and the words that no code says, by their stories."""

from __future__ import annotations

from coverage_blocks import BLOCKS
from coverage_capture import CAPTURE
from coverage_cases import (
    FULL,
    NONE,
    but,
    case,
    other_cloud,
    other_device,
    other_rule,
    until,
)
from coverage_keys import ACCOUNT, DEVICE_KEY, SERVER_KEY, SLOTS
from coverage_network import NETWORK
from coverage_parts import (
    ANEW,
    CLOUD,
    NAME,
    RESOLVER,
    C,
    M,
    Told,
    cut,
    named,
    ruled,
)
from coverage_peers import PEERS, STUCK
from handshake_probe.lab.memory.cast import device
from handshake_probe.lab.memory.story import TO_CLOUD, TO_DEVICE, Does
from handshake_probe.lab.script import Ending, Script
from handshake_probe.model.vocabulary import Mechanism

STORIES: dict[str, Told] = NETWORK | SERVER_KEY | DEVICE_KEY | BLOCKS | ACCOUNT | PEERS | CAPTURE

# Words of the vocabulary that no code's story says.

NO_ADDRESS = named("nodata", attempts=2)
REDIRECTED = named(RESOLVER, attempts=2)
UNREACHABLE = ruled(Does.REFUSE, place=2, what="syn", ttl=255, code=1)
RESET_AT_ONCE = ruled(Does.RESET, way=TO_CLOUD, what="tcp", spares=1, both=True)
RESET_AT_NONCE = ruled(Does.RESET, way=TO_DEVICE, size=40, both=True, passes=True, seconds=0.001)
RESET_AT_CREDENTIALS = other_rule(RESET_AT_NONCE, size=384)
BREAKS_OFF = case(
    FULL,
    devices=(device(script=cut("handshake_complete", Ending.CLOSE, sends=True), attempts=3),),
    clouds=STUCK.story.clouds,
)
HALF_SEEN = but(ANEW, view={"sides": "device"})

WORDS: dict[Mechanism, Told] = {
    told.mechanism: told
    for told in (
        *SLOTS.values(),
        Told(
            reached=NO_ADDRESS,
            cause=C.NETWORK_BLOCKED,
            mechanism=M.DNS_NO_ADDRESS,
            near=but(NO_ADDRESS, names={NAME: ("nodata", CLOUD)}),
            thin=until(NO_ADDRESS, 0.5003),
        ),
        Told(
            reached=REDIRECTED,
            cause=C.NETWORK_BLOCKED,
            mechanism=M.DNS_REDIRECT,
            near=other_cloud(REDIRECTED, address=RESOLVER),
            thin=until(REDIRECTED, 1.0),
        ),
        Told(
            reached=UNREACHABLE,
            cause=C.NETWORK_BLOCKED,
            mechanism=M.ICMP_UNREACHABLE,
            near=other_rule(UNREACHABLE, times=1),
            thin=until(UNREACHABLE, 0.5007),
        ),
        Told(
            reached=RESET_AT_ONCE,
            cause=C.NETWORK_BLOCKED,
            mechanism=M.RESET_BEFORE_NONCE,
            near=other_rule(RESET_AT_ONCE, does=Does.DROP),
            thin=until(RESET_AT_ONCE, 0.5264),
        ),
        Told(
            reached=RESET_AT_NONCE,
            cause=C.NETWORK_BLOCKED,
            mechanism=M.RESET_AFTER_NONCE,
            near=other_rule(RESET_AT_NONCE, size=41),
            thin=until(RESET_AT_NONCE, 0.5555),
        ),
        Told(
            reached=RESET_AT_CREDENTIALS,
            cause=C.NETWORK_BLOCKED,
            mechanism=M.RESET_AFTER_CREDENTIALS,
            near=other_rule(RESET_AT_CREDENTIALS, size=383),
            thin=until(RESET_AT_CREDENTIALS, 0.7265),
        ),
        Told(
            reached=BREAKS_OFF,
            cause=C.INCONCLUSIVE,
            mechanism=M.SESSION_CLOSED_BY_DEVICE,
            near=other_device(BREAKS_OFF, script=Script()),
            thin=but(BREAKS_OFF, known=NONE),
        ),
        Told(
            reached=HALF_SEEN,
            cause=C.INCONCLUSIVE,
            mechanism=M.CAPTURE_INCOMPLETE,
            near=but(HALF_SEEN, view={"sides": "both"}),
            thin=until(HALF_SEEN, 0.51),
        ),
    )
    if told.mechanism is not None
}
