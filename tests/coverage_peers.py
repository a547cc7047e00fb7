"""The stories of HP5xx: what cloud and device do wrong."""

from __future__ import annotations

from coverage_cases import (
    FULL,
    NONE,
    PRIVATE,
    PUBLIC,
    REGISTER,
    but,
    case,
    other_cloud,
    other_device,
    other_rule,
    until,
)
from coverage_keys import UNKNOWN
from coverage_parts import (
    HEALTHY,
    LONG,
    MISTAKEN,
    C,
    M,
    Told,
    cast,
    cut,
    dies_describing,
    rule,
    scripted,
    sealed,
    two_blocks,
)
from handshake_probe.lab import seals
from handshake_probe.lab.memory.cast import cloud, device, nobody
from handshake_probe.lab.memory.story import Does
from handshake_probe.lab.script import START, Delay, Ending, Script, Split
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.events import Event
from handshake_probe.protocol.kinds import Kind
from handshake_probe.protocol.seal import Seal
from handshake_probe.protocol.settings import Generation
from handshake_probe.protocol.state import Phase

# Cloud and device.

REFUSES = case(clouds=(nobody(),))
SILENT = scripted(cut(START, Ending.SILENCE))
SHORT_NONCE = sealed(seals.ShortNonce)
SAME_NONCE = case(
    devices=(device(stays=3.0, returns=2.0),), clouds=(cloud(seal=seals.RepeatedNonce),)
)
CLOSES = scripted(cut("identity_test", Ending.CLOSE), REGISTER)
SPLIT = case(
    REGISTER,
    devices=(device(script=Script(split=Split(100, 0.2))),),
    clouds=(cloud(script=Script(single_read=True)),),
)
DIGEST_INFO = sealed(seals.DigestInfoSignature, PUBLIC)
CUT_CREDENTIALS = sealed(seals.CutCredentials)
WRONG_HMAC = sealed(seals.WrongHmac, FULL)
NO_HELLO = sealed(seals.NoHello)
BROKEN_CHAIN = case(FULL, clouds=(cloud(seal=seals.LastBlockIv, acts=(two_blocks, two_blocks)),))
STUCK = but(
    LONG,
    clouds=(
        cloud(
            script=cut("handshake_complete", Ending.SILENCE, sends=True),
            settings={"describes": ()},
        ),
    ),
)
DESCRIBES = case(
    FULL,
    devices=(device(settings={"generation": Generation.V3_3}, stays=None),),
    clouds=(cloud(settings={"describes": (None,)}),),
)
ASKS_LATE = cloud(
    settings={"describes": ()},
    reactions={Kind.TIME_REQUEST: lambda connection, now: connection.describe(now, 1)},
)
CRASHES = case(FULL, devices=(device(acts=(dies_describing,)),), clouds=(ASKS_LATE,))
HANGS_UP = case(
    devices=(device(attempts=3),),
    clouds=(
        cloud(
            script=cut("handshake_complete", Ending.CLOSE, sends=True), settings={"describes": ()}
        ),
    ),
)
UNANSWERED = scripted(cut("identity_test", Ending.SILENCE))
HANGS = cast(cut("nonce_received", Ending.VANISH))
HASTY = but(SILENT, devices=(device(settings={"read_timeout": 3.0}),))
RESTLESS = case(devices=(device(stays=3.0, returns=2.0),))
GIVES_UP = cast(cut("credentials_received", Ending.CLOSE), FULL)
OUT_OF_RANGE = but(LONG, rules=rule(Does.DROP, place=0, what="cloud", since=2.0))
WRONG_RECIPIENT = sealed(lambda: seals.ForeignDeviceKey(MISTAKEN.n), FULL)

# A device leaves as it likes, also while an answer is outstanding: its own or the cloud's.


def pings_and_leaves(connection: Connection, now: float) -> list[Event]:
    return [*connection.ping(now), *connection.goodbye(now)]


def pings_and_ends(connection: Connection, now: float) -> list[Event]:
    return [*connection.ping(now), *connection.close(now)]


OLD = {"generation": Generation.V1_0}  # acknowledges no Describe, and says no goodbye
UNREAD = cut("message", Ending.CLOSE, Kind.DESCRIBE_REQUEST)
DEAF = cloud(script=cut("message", Ending.CLOSE, Kind.PING))
LEAVING = {
    "asked": cast(UNREAD, FULL, settings=OLD),
    "asked late": case(FULL, devices=(device(settings=OLD, script=UNREAD),), clouds=(ASKS_LATE,)),
    "ping": case(FULL, devices=(device(settings=OLD, parting=pings_and_ends),), clouds=(DEAF,)),
    "goodbye": case(FULL, devices=(device(parting=pings_and_leaves),), clouds=(DEAF,)),
    "returns": case(
        FULL, devices=(device(settings=OLD, parting=pings_and_ends, returns=5.0),), clouds=(DEAF,)
    ),
}

PEERS = {
    "HP501": Told(
        reached=REFUSES,
        cause=C.INCONCLUSIVE,
        mechanism=M.CONNECTION_REFUSED,
        near=but(REFUSES, clouds=(cloud(),)),
        thin=until(REFUSES, 0.51),
    ),
    "HP502": Told(
        reached=SILENT,
        cause=C.INCONCLUSIVE,
        mechanism=M.NO_NONCE,
        near=other_cloud(SILENT, script=Script(delays=(Delay(Phase.IDLE, 5.0),))),
        thin=until(SILENT, 4.0),
    ),
    "HP503": Told(
        reached=SHORT_NONCE,
        cause=C.INCONCLUSIVE,
        mechanism=M.NONCE_MALFORMED,
        near=other_cloud(SHORT_NONCE, seal=Seal),
        thin=until(SHORT_NONCE, 0.6),
    ),
    "HP504": Told(
        reached=SAME_NONCE,
        cause=C.HEALTHY,
        mechanism=None,
        near=other_cloud(SAME_NONCE, seal=Seal),
        thin=until(SAME_NONCE, 4.0),
    ),
    "HP505": Told(
        reached=CLOSES,
        cause=C.SERVER_FAULT,
        mechanism=M.IDENTITY_REFUSED,
        near=other_cloud(CLOSES, script=Script()),
        thin=but(CLOSES, known=PRIVATE),
    ),
    "HP506": Told(
        reached=SPLIT,
        cause=C.SERVER_FAULT,
        mechanism=M.IDENTITY_NOT_REASSEMBLED,
        near=other_cloud(SPLIT, script=Script()),
        thin=but(SPLIT, known=NONE),
    ),
    "HP507": Told(
        reached=DIGEST_INFO,
        cause=C.SERVER_FAULT,
        mechanism=M.SIGNATURE_MALFORMED,
        near=other_cloud(DIGEST_INFO, seal=Seal),
        thin=but(DIGEST_INFO, known=NONE),
    ),
    "HP508": Told(
        reached=CUT_CREDENTIALS,
        cause=C.SERVER_FAULT,
        mechanism=M.CREDENTIALS_MALFORMED,
        near=other_cloud(CUT_CREDENTIALS, seal=Seal),
        thin=until(CUT_CREDENTIALS, 0.9),
    ),
    "HP509": Told(
        reached=WRONG_HMAC,
        cause=C.SERVER_FAULT,
        mechanism=M.SIGNATURE_MALFORMED,
        near=other_cloud(WRONG_HMAC, seal=Seal),
        thin=but(WRONG_HMAC, known=NONE),
    ),
    "HP510": Told(
        reached=NO_HELLO,
        cause=C.SERVER_FAULT,
        mechanism=M.NO_SERVER_HELLO,
        near=other_cloud(NO_HELLO, seal=Seal),
        thin=until(NO_HELLO, 2.0),
    ),
    "HP511": Told(
        reached=BROKEN_CHAIN,
        cause=C.SERVER_FAULT,
        mechanism=M.RECORDS_NOT_DECRYPTABLE,
        near=other_cloud(BROKEN_CHAIN, seal=Seal),
        thin=but(BROKEN_CHAIN, known=NONE),
    ),
    "HP512": Told(
        reached=STUCK,
        cause=C.INCONCLUSIVE,
        mechanism=M.PING_UNANSWERED,
        near=other_cloud(STUCK, script=Script()),
        thin=until(STUCK, 20.0),
    ),
    "HP513": Told(
        reached=DESCRIBES,
        cause=C.SERVER_FAULT,
        mechanism=M.DESCRIBE_REFUSED,
        near=but(DESCRIBES, clouds=(cloud(),)),
        thin=but(DESCRIBES, known=NONE),
    ),
    "HP514": Told(
        reached=CRASHES,
        cause=C.DEVICE_FAULT,
        mechanism=M.DESCRIBE_UNANSWERED,
        near=other_device(CRASHES, acts=()),
        thin=but(CRASHES, known=NONE),
    ),
    "HP515": Told(
        reached=HANGS_UP,
        cause=C.INCONCLUSIVE,
        mechanism=M.SESSION_CLOSED_BY_CLOUD,
        near=other_cloud(HANGS_UP, script=Script()),
        thin=until(HANGS_UP, 1.0),
    ),
    "HP516": Told(
        reached=UNANSWERED,
        cause=C.INCONCLUSIVE,
        mechanism=M.IDENTITY_UNANSWERED,
        near=other_cloud(UNANSWERED, script=cut("identity_test", Ending.CLOSE)),
        thin=until(UNANSWERED, 3.0),
    ),
    "HP517": Told(
        reached=HANGS,
        cause=C.INCONCLUSIVE,
        mechanism=M.DEVICE_SILENT,
        near=other_device(HANGS, script=cut("nonce_received", Ending.CLOSE)),
        thin=until(HANGS, 3.0),
    ),
    "HP518": Told(
        reached=HASTY,
        cause=C.INCONCLUSIVE,
        mechanism=M.DEVICE_CLOSED_EARLY,
        near=but(HASTY, devices=(device(),)),
        thin=until(HASTY, 3.0),
    ),
    "HP519": Told(
        reached=RESTLESS,
        cause=C.HEALTHY,
        mechanism=None,
        near=other_device(RESTLESS, stays=None),
        thin=until(RESTLESS, 5.0),
    ),
    "HP520": Told(
        reached=UNKNOWN,
        cause=C.DEVICE_UNKNOWN,
        mechanism=M.DEVICE_NOT_REGISTERED,
        near=but(UNKNOWN, devices=(device(server="other"),)),
        thin=but(UNKNOWN, known=PUBLIC),
    ),
    "HP521": Told(
        reached=GIVES_UP,
        cause=C.INCONCLUSIVE,
        mechanism=M.DEVICE_CLOSED_EARLY,
        near=other_device(GIVES_UP, script=Script()),
        thin=but(GIVES_UP, known=NONE),
    ),
    "HP522": Told(
        reached=WRONG_RECIPIENT,
        cause=C.SERVER_FAULT,
        mechanism=M.CREDENTIALS_MALFORMED,
        near=other_cloud(WRONG_RECIPIENT, seal=Seal),
        thin=but(WRONG_RECIPIENT, known=NONE),
    ),
    "HP523": Told(
        reached=OUT_OF_RANGE,
        cause=C.INCONCLUSIVE,
        mechanism=M.SESSION_SILENT,
        near=other_rule(OUT_OF_RANGE, until=16.0),
        thin=until(OUT_OF_RANGE, 20.0),
    ),
    "HP530": Told(
        reached=HEALTHY,
        cause=C.HEALTHY,
        mechanism=None,
        near=other_cloud(HEALTHY, seal=seals.NoHello),
        thin=until(HEALTHY, 0.6),
    ),
}
