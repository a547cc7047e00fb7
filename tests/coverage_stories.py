"""For every code of the catalogue: a story that reaches it, a near miss, and one too thin to say.

Times: the device asks for the cloud's name at 0.5 s; SYN 0.5006, SYN/ACK 0.526, nonce 0.555,
identity 0.697, credentials 0.726, its Hello 0.868, the cloud's 0.897.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from coverage_cases import (
    ABSENT,
    FULL,
    NONE,
    PRIVATE,
    PUBLIC,
    REGISTER,
    TOPS,
    Case,
    Known,
    but,
    case,
    other_cloud,
    other_device,
    other_rule,
    until,
)
from handshake_probe.lab import damage, seals
from handshake_probe.lab.memory import keys
from handshake_probe.lab.memory.cast import cloud, device, nobody, slot
from handshake_probe.lab.memory.story import TO_CLOUD, TO_DEVICE, Does, Rule
from handshake_probe.lab.memory.wire import Other, Packet, Udp, ethernet
from handshake_probe.lab.script import START, Cut, Delay, Ending, Script, Split
from handshake_probe.model.vocabulary import Cause, Mechanism
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.events import Event
from handshake_probe.protocol.kinds import Kind
from handshake_probe.protocol.seal import Seal
from handshake_probe.protocol.settings import Generation, Manner
from handshake_probe.protocol.state import Phase

NAME, RESOLVER, CLOUD, ELSEWHERE = "device.spark.io", "192.168.7.1", "10.90.0.30", "10.91.0.30"
CLOUD_TTL, ROUND_TRIP = 61, 0.026  # of the cloud's packets, as a reset in its name should show
CLAIM_CODE = b"c" * 63
NEVER = 1e6  # seconds: beyond every story's end
TRUSTS = {"manner": Manner.TRUSTS_REGISTER}
MISTAKEN = keys.device_numbers("mistaken")
UNLUCKY = damage.slot_of(keys.unlucky_numbers("device"))
FLASH = {"device": slot("device")}

C, M = Cause, Mechanism


@dataclass(frozen=True, kw_only=True)
class Told:
    """The three stories of one code, and the verdict of the first."""

    reached: Case
    cause: Cause
    mechanism: Mechanism | None
    near: Case  # differs in one fact
    thin: Case


def cut(at: str, ending: Ending, kind: str | None = None, *, sends: bool = False) -> Script:
    return Script(cut=Cut(at, ending, kind, sends))


def rule(does: Does, **parts: Any) -> tuple[Rule, ...]:
    return (Rule(does=does, **parts),)


def confirm(connection: Connection, now: float) -> list[Event]:
    return connection.publish(now, "spark/device/claim/confirmed")


def two_blocks(connection: Connection, now: float) -> list[Event]:
    return connection.publish(now, "lab/event", b"an event of more than one block")


def settled(role: Any, **settings: Any) -> dict[str, Any]:
    """The role's settings, changed."""
    return {"settings": replace(role.settings, **settings)}


HEALTHY = case()
LONG = case(devices=(device(stays=None),), seconds=60.0)
ANEW = case(devices=(device(slot_holds=slot("anew")),), clouds=(cloud(settings=TRUSTS),))


def named(*answers: str, attempts: int = 1) -> Case:
    return case(names={NAME: answers}, devices=(device(attempts=attempts),))


def ruled(does: Does, **parts: Any) -> Case:
    return case(rules=rule(does, **parts))


def sealed(seal: Any, known: Known = NONE, **parts: Any) -> Case:
    return case(known, clouds=(cloud(seal=seal, **parts),))


def scripted(script: Script, known: Known = NONE, **parts: Any) -> Case:
    return case(known, clouds=(cloud(script=script, **parts),))


def cast(script: Script, known: Known = NONE, **parts: Any) -> Case:
    return case(known, devices=(device(script=script, **parts),))


# The network.

DNS_SILENT = named("")
NXDOMAIN = named("nxdomain", attempts=2)
SINKHOLE = named("0.0.0.0", attempts=2)
TWO_ANSWERS = named(f"{CLOUD} {ELSEWHERE}")
SYN_DROPPED = ruled(Does.DROP, what="syn")
SYN_RESET = ruled(Does.RESET, what="syn")
PROHIBITED = ruled(Does.REFUSE, place=2, what="syn", ttl=255)
SYN_ACK_LOST = ruled(Does.DROP, place=0, what="syn_ack", way=TO_DEVICE)
PROXY = case(
    rules=rule(Does.ANSWER, way=TO_CLOUD, what="cloud"),
    boxes=(cloud(script=cut(START, Ending.SILENCE)),),
)
PORTAL = case(
    rules=rule(Does.ANSWER, way=TO_CLOUD, what="cloud"), boxes=(cloud(seal=seals.TextNonce),)
)
NONCE_DROPPED = ruled(Does.DROP, way=TO_DEVICE, size=40)
IDENTITY_DROPPED = ruled(Does.DROP, way=TO_CLOUD, size=256)
CREDENTIALS_DROPPED = ruled(Does.DROP, way=TO_DEVICE, size=384)
HELLO_DROPPED = ruled(Does.DROP, way=TO_DEVICE, what="data", since=0.88)
IDENTITY_RESET = ruled(Does.RESET, way=TO_CLOUD, size=256, both=True, seconds=ROUND_TRIP)
SESSION_RESET = but(
    LONG,
    rules=rule(
        Does.RESET, way=TO_CLOUD, what="data", since=10.0, ttl=CLOUD_TTL, seconds=ROUND_TRIP
    ),
)
FORGOTTEN = but(LONG, rules=rule(Does.DROP, what="cloud", since=10.0))
NTP_DROPPED = case(
    devices=(device(tests_internet="ntp"),),
    clouds=(nobody(),),
    rules=rule(Does.DROP, what="ntp"),
)

NETWORK = {
    "HP101": Told(
        reached=DNS_SILENT,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.DNS_NO_ANSWER,
        near=but(DNS_SILENT, names={NAME: ("", CLOUD)}),
        thin=until(DNS_SILENT, 1.5),
    ),
    "HP102": Told(
        reached=NXDOMAIN,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.DNS_REFUSED,
        near=but(NXDOMAIN, names={NAME: ("nxdomain", CLOUD)}),
        thin=until(NXDOMAIN, 0.5003),
    ),
    "HP103": Told(
        reached=SINKHOLE,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.DNS_SINKHOLE,
        near=but(SINKHOLE, names={NAME: ("0.0.0.0", CLOUD)}),
        thin=until(SINKHOLE, 0.5003),
    ),
    "HP104": Told(
        reached=TWO_ANSWERS,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(TWO_ANSWERS, names={NAME: (f"{CLOUD} {CLOUD}",)}),
        thin=but(TWO_ANSWERS, view={"loses": frozenset({5})}),
    ),
    "HP110": Told(
        reached=SYN_DROPPED,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.SYN_DROPPED,
        near=other_rule(SYN_DROPPED, times=2),
        thin=until(SYN_DROPPED, 1.2),
    ),
    "HP111": Told(
        reached=SYN_RESET,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.SYN_RESET,
        near=other_rule(SYN_RESET, ttl=CLOUD_TTL),
        thin=until(SYN_RESET, 0.5007),
    ),
    "HP113": Told(
        reached=PROHIBITED,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.ICMP_PROHIBITED,
        near=other_rule(PROHIBITED, times=1),
        thin=until(PROHIBITED, 0.5007),
    ),
    "HP114": Told(
        reached=SYN_ACK_LOST,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.SYN_ACK_LOST,
        near=other_rule(SYN_ACK_LOST, times=1),
        thin=until(SYN_ACK_LOST, 0.6),
    ),
    "HP120": Told(
        reached=PROXY,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.ACCEPTED_ON_BEHALF,
        near=but(PROXY, boxes=(cloud(),)),
        thin=until(PROXY, 4.0),
    ),
    "HP121": Told(
        reached=PORTAL,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.FOREIGN_NONCE,
        near=but(PORTAL, boxes=(cloud(),)),
        thin=until(PORTAL, 0.502),
    ),
    "HP122": Told(
        reached=NONCE_DROPPED,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.NONCE_DROPPED,
        near=other_rule(NONCE_DROPPED, times=2),
        thin=until(NONCE_DROPPED, 11.0),
    ),
    "HP123": Told(
        reached=IDENTITY_DROPPED,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.IDENTITY_DROPPED,
        near=other_rule(IDENTITY_DROPPED, times=2),
        thin=until(IDENTITY_DROPPED, 1.3),
    ),
    "HP124": Told(
        reached=CREDENTIALS_DROPPED,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.CREDENTIALS_DROPPED,
        near=other_rule(CREDENTIALS_DROPPED, times=2),
        thin=until(CREDENTIALS_DROPPED, 3.0),
    ),
    "HP125": Told(
        reached=HELLO_DROPPED,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.RECORD_DROPPED,
        near=other_rule(HELLO_DROPPED, times=1),
        thin=until(HELLO_DROPPED, 2.0),
    ),
    "HP130": Told(
        reached=IDENTITY_RESET,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.RESET_AFTER_IDENTITY,
        near=other_rule(IDENTITY_RESET, ttl=CLOUD_TTL),
        thin=until(IDENTITY_RESET, 0.6972),
    ),
    "HP131": Told(
        reached=SESSION_RESET,
        cause=C.INCONCLUSIVE,
        mechanism=M.RESET_IN_SESSION,
        near=other_rule(SESSION_RESET, ttl=64),
        thin=until(SESSION_RESET, 15.0),
    ),
    "HP140": Told(
        reached=FORGOTTEN,
        cause=C.NETWORK_BLOCKED,
        mechanism=M.SESSION_SILENT,
        near=other_rule(FORGOTTEN, until=17.0),
        thin=until(FORGOTTEN, 16.4),
    ),
    "HP150": Told(
        reached=NTP_DROPPED,
        cause=C.INCONCLUSIVE,
        mechanism=M.CONNECTION_REFUSED,
        near=but(NTP_DROPPED, rules=()),
        thin=until(NTP_DROPPED, 0.7),
    ),
}

# The server key.

OTHER_KEY = case(PRIVATE, devices=(device(server="other"),))
LARGER = case(
    Known(public=("small",)),
    devices=(device(server=keys.cloud_numbers("large", TOPS["large"]).n),),
    clouds=(cloud(settings={"key": keys.cloud_key(keys.cloud_numbers("small", TOPS["small"]))}),),
    seed=5,
)
FOREIGN_SIGNER = sealed(lambda: seals.ForeignSignature(keys.cloud_numbers("other")), PUBLIC)
EVEN = case(devices=(device(server=keys.cloud_numbers("cloud").n & ~1),))
RESTARTED = case(
    REGISTER,
    devices=(device(stays=None, attempts=4),),
    clouds=(cloud(until=8.0), cloud("new")),
)
BOTH_CLOUDS = Known(private=("cloud", "other"), named="cloud")
THE_OTHERS = case(BOTH_CLOUDS, devices=(device(server="other"),))

SERVER_KEY = {
    "HP201": Told(
        reached=OTHER_KEY,
        cause=C.SERVER_KEY_MISMATCH,
        mechanism=M.IDENTITY_NOT_DECRYPTABLE,
        near=but(OTHER_KEY, devices=(device(),)),
        thin=but(OTHER_KEY, known=PUBLIC),
    ),
    "HP202": Told(
        reached=LARGER,
        cause=C.SERVER_KEY_MISMATCH,
        mechanism=M.IDENTITY_NOT_DECRYPTABLE,
        near=but(LARGER, seed=1),
        thin=but(LARGER, view={"snap": 96}),
    ),
    "HP203": Told(
        reached=FOREIGN_SIGNER,
        cause=C.SERVER_KEY_MISMATCH,
        mechanism=M.SIGNATURE_BY_ANOTHER_KEY,
        near=other_cloud(FOREIGN_SIGNER, seal=Seal),
        thin=but(FOREIGN_SIGNER, known=NONE),
    ),
    "HP204": Told(
        reached=EVEN,
        cause=C.INCONCLUSIVE,
        mechanism=M.IDENTITY_NOT_SENT,
        near=but(EVEN, devices=(device(),)),
        thin=until(EVEN, 0.6),
    ),
    "HP205": Told(
        reached=RESTARTED,
        cause=C.SERVER_KEY_MISMATCH,
        mechanism=M.CLOUD_KEY_CHANGED,
        near=but(RESTARTED, clouds=(cloud(until=8.0), cloud())),
        thin=but(RESTARTED, known=NONE),
    ),
    "HP206": Told(
        reached=THE_OTHERS,
        cause=C.SERVER_KEY_MISMATCH,
        mechanism=M.IDENTITY_NOT_DECRYPTABLE,
        near=but(THE_OTHERS, devices=(device(),)),
        thin=but(THE_OTHERS, known=replace(BOTH_CLOUDS, named=None)),
    ),
}

# The device key.

MISFILED = case(
    replace(REGISTER, registered={"device": MISTAKEN, **ABSENT}),
    clouds=(cloud(knows={"device": MISTAKEN}),),
)
NOT_FOR_IT = but(ANEW, known=PUBLIC)
WITH_FLASH = replace(PRIVATE, flash={"device": slot("anew")})
MISREAD = case(
    replace(PUBLIC, flash={"device": UNLUCKY}),
    devices=(device(slot_holds=UNLUCKY),),
    clouds=(cloud(knows={"device": keys.unlucky_numbers("device")}),),
)
PKCS8 = case(REGISTER, devices=(device(slot_holds=damage.pkcs8_in_slot(slot())),))
KEY_ERROR = case(FULL, devices=(device(settings={"key_errors": 1}),))

DEVICE_KEY = {
    "HP301": Told(
        reached=MISFILED,
        cause=C.DEVICE_KEY_CORRUPTION,
        mechanism=M.REGISTERED_KEY_DIFFERS,
        near=but(MISFILED, known=REGISTER),
        thin=but(MISFILED, known=PRIVATE),
    ),
    "HP302": Told(
        reached=NOT_FOR_IT,
        cause=C.DEVICE_KEY_CORRUPTION,
        mechanism=M.CREDENTIALS_REFUSED,
        near=but(NOT_FOR_IT, devices=(device(),)),
        thin=but(NOT_FOR_IT, known=NONE),
    ),
    "HP303": Told(
        reached=but(ANEW, known=WITH_FLASH),
        cause=C.DEVICE_KEY_CORRUPTION,
        mechanism=M.CREDENTIALS_NOT_DECRYPTABLE,
        near=but(ANEW, known=replace(WITH_FLASH, flash={"absent": slot("anew")})),
        thin=but(ANEW, known=NONE),
    ),
    "HP304": Told(
        reached=MISREAD,
        cause=C.DEVICE_KEY_CORRUPTION,
        mechanism=M.KEY_UNREADABLE_BY_FIRMWARE,
        near=but(MISREAD, devices=(device(),)),
        thin=but(MISREAD, known=NONE),
    ),
    "HP305": Told(
        reached=PKCS8,
        cause=C.DEVICE_KEY_CORRUPTION,
        mechanism=M.REGISTERED_KEY_DIFFERS,
        near=but(PKCS8, devices=(device(slot_holds=slot("anew")),)),
        thin=but(PKCS8, known=PUBLIC),
    ),
    "HP306": Told(
        reached=KEY_ERROR,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(KEY_ERROR, devices=(device(),)),
        thin=but(KEY_ERROR, known=NONE),
    ),
    "HP310": Told(
        reached=ANEW,
        cause=C.INCONCLUSIVE,
        mechanism=M.CREDENTIALS_REFUSED,
        near=but(ANEW, devices=(device(),)),
        thin=until(ANEW, 0.8),
    ),
}

# The account.

UNKNOWN = case(replace(PRIVATE, registered=ABSENT), clouds=(cloud(knows=()),))
CLAIMING = case(FULL, devices=(device(settings={"claim_code": CLAIM_CODE}, stays=None),))
CONFIRMED = but(CLAIMING, clouds=(cloud(acts=(confirm,)),))
SAFE_MODE = case(FULL, devices=(device(settings={"safe_mode": True}),))

ACCOUNT = {
    "HP401": Told(
        reached=UNKNOWN,
        cause=C.DEVICE_UNKNOWN,
        mechanism=M.DEVICE_NOT_REGISTERED,
        near=but(UNKNOWN, known=REGISTER),
        thin=but(UNKNOWN, known=PRIVATE),
    ),
    "HP402": Told(
        reached=CLAIMING,
        cause=C.UNCLAIMED,
        mechanism=M.CLAIM_NOT_CONFIRMED,
        near=CONFIRMED,
        thin=but(CLAIMING, known=NONE),
    ),
    "HP403": Told(
        reached=CONFIRMED,
        cause=C.HEALTHY,
        mechanism=None,
        near=CLAIMING,
        thin=but(CONFIRMED, known=NONE),
    ),
    "HP404": Told(
        reached=SAFE_MODE,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(SAFE_MODE, devices=(device(),)),
        thin=but(SAFE_MODE, known=NONE),
    ),
    "HP405": Told(
        reached=but(UNKNOWN, known=NONE),
        cause=C.INCONCLUSIVE,
        mechanism=M.IDENTITY_REFUSED,
        near=HEALTHY,
        thin=until(but(UNKNOWN, known=NONE), 0.71),
    ),
}

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
CRASHES = cast(cut("message", Ending.CLOSE, Kind.DESCRIBE_REQUEST), FULL)
HANGS_UP = case(
    devices=(device(attempts=3),),
    clouds=(
        cloud(
            script=cut("handshake_complete", Ending.CLOSE, sends=True), settings={"describes": ()}
        ),
    ),
)
UNANSWERED = scripted(cut("identity_test", Ending.SILENCE))
HANGS = cast(cut("nonce_received", Ending.HANG))
HASTY = but(SILENT, devices=(device(settings={"read_timeout": 3.0}),))
RESTLESS = case(devices=(device(stays=3.0, returns=2.0),))
GIVES_UP = cast(cut("credentials_received", Ending.CLOSE), FULL)
WRONG_RECIPIENT = sealed(lambda: seals.ForeignDeviceKey(MISTAKEN.n), FULL)

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
        near=other_cloud(SILENT, script=Script(delay=Delay(Phase.IDLE, 5.0))),
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
        near=other_device(CRASHES, script=Script()),
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
        cause=C.DEVICE_FAULT,
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
    "HP530": Told(
        reached=HEALTHY,
        cause=C.HEALTHY,
        mechanism=None,
        near=other_cloud(HEALTHY, seal=seals.NoHello),
        thin=until(HEALTHY, 0.6),
    ),
}

# The capture.

MAC, GATEWAY = bytes.fromhex("94944a000020"), bytes.fromhex("02000000fe01")
SOURCE, TARGET = bytes((192, 168, 7, 20)), bytes((10, 90, 0, 30))


def framed(content: Any, **parts: Any) -> bytes:
    return ethernet(MAC, GATEWAY, Packet(SOURCE, TARGET, content, **parts).pack())


def piece(at: int, data: bytes) -> bytes:
    """A fragment of one packet, its later part."""
    [head, *_] = Packet(SOURCE, TARGET, Other(17, bytes(64)), ident=9).fragments(32)
    return ethernet(MAC, GATEWAY, _patched(head, at) + data)


def _patched(head: bytes, at: int) -> bytes:
    from handshake_probe.lab.memory.wire import checksum

    fields = bytearray(head[:20])
    fields[6:8] = (0x2000 | at // 8).to_bytes(2, "big")
    fields[10:12] = b"\0\0"
    fields[10:12] = checksum(bytes(fields)).to_bytes(2, "big")
    return bytes(fields)


def beside(*frames: bytes, **parts: Any) -> Case:
    """Frames at 0.1, 0.2 … s, of nobody's connection."""
    return case(beside=tuple((0.1 * n, data) for n, data in enumerate(frames, 1)), **parts)


def time_requests(count: int) -> tuple[tuple[float, bytes], ...]:
    request = framed(Udp(40000, 123, bytes((0x23,)) + bytes(47)))
    return tuple((10.0 + n * 0.001, request) for n in range(count))


ASLEEP = (device(start=NEVER),)
BEGUN = but(LONG, view={"start": 5.0})
SNAPPED = but(HEALTHY, view={"snap": 96})
LOST = but(HEALTHY, view={"loses": frozenset({12})})  # the credentials
ODD_FRAME = bytes.fromhex("0f") + bytes(59)
MALFORMED = ethernet(MAC, GATEWAY, b"\x41" + bytes(45))
UNREADABLE = beside(MALFORMED, devices=ASLEEP)
OTHER_PORT = case(devices=(device(),), clouds=(cloud(port=6000),))
OVERLAP = beside(piece(0, b"a" * 32), piece(16, b"b" * 32))
GRE = beside(framed(Other(47, bytes(4) + b"\x45" + bytes(40))), devices=ASLEEP)
DTLS = beside(framed(Udp(40000, 5684, b"\x16\xfe\xfd" + bytes(40))))
FLOOD = case(beside=time_requests(4001))
ONE_SIDE = but(HEALTHY, view={"sides": "device"})
HIDDEN = but(HEALTHY, view={"encrypted": True})

CAPTURE = {
    "HP601": Told(
        reached=but(HEALTHY, cut=7),
        cause=C.HEALTHY,
        mechanism=None,
        near=HEALTHY,
        thin=but(HEALTHY, cut=76),  # the last frame and its record header: nothing is missed
    ),
    "HP602": Told(
        reached=SNAPPED,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(SNAPPED, view={"snap": 1500}),
        thin=until(SNAPPED, 0.53),
    ),
    "HP603": Told(
        reached=BEGUN,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(BEGUN, view={"start": 0.0}),
        thin=until(BEGUN, 6.0),
    ),
    "HP604": Told(
        reached=LOST,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(LOST, view={"loses": frozenset()}),
        thin=until(LOST, 0.7),
    ),
    "HP605": Told(
        reached=until(HEALTHY, 0.6),
        cause=C.INCONCLUSIVE,
        mechanism=M.CAPTURE_TOO_SHORT,
        near=HEALTHY,
        thin=until(HEALTHY, 0.3),
    ),
    "HP606": Told(
        reached=case(devices=ASLEEP),
        cause=C.INCONCLUSIVE,
        mechanism=M.NO_TRAFFIC,
        near=HEALTHY,
        thin=until(HEALTHY, 0.5003),
    ),
    "HP607": Told(
        reached=DTLS,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(DTLS, beside=((0.1, framed(Udp(40000, 5685, bytes(43)))),)),
        thin=but(DTLS, view={"snap": 36}),
    ),
    "HP608": Told(
        reached=OTHER_PORT,
        cause=C.HEALTHY,
        mechanism=None,
        near=other_cloud(OTHER_PORT, port=5683),
        thin=until(OTHER_PORT, 0.6),
    ),
    "HP610": Told(
        reached=FLOOD,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(FLOOD, beside=time_requests(4000)),
        thin=until(FLOOD, 13.9),
    ),
    "HP611": Told(
        reached=UNREADABLE,
        cause=C.INCONCLUSIVE,
        mechanism=M.NO_TRAFFIC,
        near=but(UNREADABLE, beside=((0.1, framed(Udp(40000, 9, b"well"))),)),
        thin=until(UNREADABLE, 0.05),
    ),
    "HP612": Told(
        reached=ONE_SIDE,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(ONE_SIDE, view={"sides": "both"}),
        thin=until(ONE_SIDE, 0.51),
    ),
    "HP613": Told(
        reached=HIDDEN,
        cause=C.INCONCLUSIVE,
        mechanism=M.NO_TRAFFIC,
        near=but(HIDDEN, view={"encrypted": False}),
        thin=until(HIDDEN, 0.1),
    ),
    "HP614": Told(
        reached=OVERLAP,
        cause=C.HEALTHY,
        mechanism=None,
        near=but(OVERLAP, beside=((0.1, piece(0, b"a" * 32)), (0.2, piece(32, b"b" * 32)))),
        thin=but(OVERLAP, view={"loses": frozenset({2})}),
    ),
    "HP615": Told(
        reached=GRE,
        cause=C.INCONCLUSIVE,
        mechanism=M.NO_TRAFFIC,
        near=but(GRE, beside=((0.1, framed(Other(50, bytes(44)))),)),
        thin=until(GRE, 0.05),
    ),
}

STORIES: dict[str, Told] = NETWORK | SERVER_KEY | DEVICE_KEY | ACCOUNT | PEERS | CAPTURE

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
