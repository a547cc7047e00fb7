"""The faults by name: what each side can do wrong, and what is then to be seen.

The seconds are those of real servers and firmware, so some faults take half a minute to show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from handshake_probe.lab import damage, seals, server_slot
from handshake_probe.lab.play import Act
from handshake_probe.lab.script import AS_IT_SHOULD, START, Cut, Delay, Ending, Script, Split
from handshake_probe.lab.server_slot import Address
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.events import Event
from handshake_probe.protocol.kinds import Kind
from handshake_probe.protocol.seal import Seal
from handshake_probe.protocol.state import Phase, Role

LAB_ID = "1ab000000000000000000001"
UNLUCKY_ID = "1ab000000000000000000bad"
_UNKNOWN_ID = "0bad000000000000000000ad"
_CLAIM_CODE = b"lab" * 21
_NEVER = 1e6  # seconds
_TWO_BLOCKS = b"an event of more than one block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault; what is not given is as in a sound side."""

    name: str
    side: Role
    line: str  # what it does, and what the other side sees
    script: Script = AS_IT_SHOULD
    seal: Callable[[], Seal] = Seal  # made once for all connections
    settings: Mapping[str, Any] = field(default_factory=dict)  # fields that differ
    acts: tuple[Act, ...] = ()
    makes_slot: Callable[[], bytes] = damage.sound_slot  # the device's key on first use
    damages_slot: Callable[[bytes], bytes] = bytes  # as the device finds it
    damages_server_key: Callable[[int], int] = int  # the modulus as the device finds it
    damages_address: Callable[[Address], Address] | None = None  # goes where nobody told it to
    device_id: str = LAB_ID  # when none is given


def _publish_two_blocks(connection: Connection, now: float) -> list[Event]:
    return connection.publish(now, "lab/event", _TWO_BLOCKS)


def _cut(at: str, ending: Ending, kind: str | None = None, *, sends: bool = False) -> Script:
    return Script(cut=Cut(at, ending, kind, sends))


def _cloud(name: str, line: str, script: Script = AS_IT_SHOULD, **rest: Any) -> Fault:
    return Fault(name=name, side=Role.CLOUD, line=line, script=script, **rest)


def _device(name: str, line: str, script: Script = AS_IT_SHOULD, **rest: Any) -> Fault:
    return Fault(name=name, side=Role.DEVICE, line=line, script=script, **rest)


_CLOSE, _SILENCE = Ending.CLOSE, Ending.SILENCE
_NO_DESCRIBE = {"describes": ()}

_ALL = (
    _cloud(
        "silent",
        "accepts and says nothing, ever; the device gives up after 20 s (error 25)",
        _cut(START, _SILENCE),
    ),
    _cloud("closes-at-once", "closes before any byte (error 25)", _cut(START, _CLOSE)),
    _cloud(
        "no-nonce",
        "sends no nonce and closes when its own time for a handshake is over (error 25)",
        seal=seals.NoNonce,
    ),
    _cloud("short-nonce", "sends 20 of 40 bytes (error 25)", seal=seals.ShortNonce),
    _cloud(
        "late-nonce",
        "sends the nonce after 25 s, when the device is gone (error 25)",
        Script(delays=(Delay(Phase.IDLE, 25.0),)),
    ),
    _cloud(
        "long-nonce",
        "sends 41 bytes; the last one shifts the credentials (error 6)",
        seal=seals.LongNonce,
    ),
    _cloud(
        "text-nonce",
        "greets with an HTTP redirect, as a portal does; the device answers it (error 26)",
        _cut("nonce_received", Ending.HALF_CLOSE, sends=True),
        seal=seals.TextNonce,
    ),
    _cloud(
        "repeated-nonce",
        "sends the same nonce to every connection; all goes well",
        seal=seals.RepeatedNonce,
    ),
    _cloud("zero-nonce", "sends 40 zero bytes; all goes well", seal=seals.ZeroNonce),
    _cloud(
        "closes-after-identity",
        "closes on every identity, the right ones too (error 26)",
        _cut("identity_test", _CLOSE),
    ),
    _cloud(
        "silent-after-identity",
        "never answers an identity; the device gives up after 20 s (error 26)",
        _cut("identity_test", _SILENCE),
    ),
    _cloud(
        "no-reassembly",
        "takes what one read gives for the whole identity; harmless until a path splits it",
        Script(single_read=True),
    ),
    _cloud(
        "credentials-other-key",
        "encrypts the session to another key than the device's (error 6)",
        seal=seals.ForeignDeviceKey,
    ),
    _cloud(
        "credentials-truncated",
        "sends 128 of 384 bytes of credentials (error 26)",
        seal=seals.CutCredentials,
    ),
    _cloud(
        "signature-other-key",
        "signs with another key than its own (error 8)",
        seal=seals.ForeignSignature,
    ),
    _cloud(
        "signature-digest-info",
        "signs with a DigestInfo before the hash (error 8)",
        seal=seals.DigestInfoSignature,
    ),
    _cloud("hmac-wrong", "signs an HMAC made with the AES key (error 8)", seal=seals.WrongHmac),
    _cloud(
        "iv-last-block",
        "chains records by the last block: what follows a long one, such as its event, is garbage",
        seal=seals.LastBlockIv,
        acts=(_publish_two_blocks,),
    ),
    _cloud(
        "iv-constant",
        "starts every record with the first IV; all after its Hello is garbage",
        seal=seals.ConstantIv,
    ),
    _cloud("no-hello", "never says Hello (error 10 after 4 s)", seal=seals.NoHello),
    _cloud(
        "late-hello",
        "says Hello after 6 s, when the device is gone (error 10)",
        Script(delays=(Delay(Phase.HELLO, 6.0),)),
    ),
    _cloud(
        "closes-after-hello",
        "says Hello and closes: the session is lost at once",
        _cut("handshake_complete", _CLOSE, sends=True),
        settings=_NO_DESCRIBE,
    ),
    _cloud(
        "stuck-in-session",
        "says Hello and nothing more: the device pings after 15 s, gives up after 25",
        _cut("handshake_complete", _SILENCE, sends=True),
        settings=_NO_DESCRIBE,
    ),
    _cloud(
        "reset-on-failure",
        "resets the connection where others close it: give it a device with a fault",
        Script(resets=True),
    ),
    _cloud(
        "describe-without-query",
        "asks for a description without saying which part: 3.3 refuses, this cloud closes after"
        " 15 s where it compares",
        settings={"describes": (None,)},
    ),
    _device(
        "wrong-server-key",
        "holds another cloud's key: the cloud cannot open its identity (error 26)",
        damages_server_key=server_slot.other_key,
    ),
    _device(
        "even-server-key",
        "holds a server key that is even: it sends nothing and closes (error 7)",
        damages_server_key=server_slot.even_key,
    ),
    _device(
        "garbage-server-key",
        "holds noise as its server key: the cloud cannot open its identity (error 26)",
        damages_server_key=server_slot.garbage_key,
    ),
    _device(
        "server-key-erased",
        "its server key is erased: it takes its firmware's copy, Particle's; a Core takes it as it"
        " is (error 26)",
        damages_server_key=server_slot.erased_key,
    ),
    _device(
        "address-erased",
        "its address record is erased: it goes to device.spark.io and reports that; needs"
        " --other-traffic",
        damages_address=server_slot.erased_address,
    ),
    _device(
        "address-garbled",
        "a bit of its address record is flipped: it asks for a name that nobody has, or goes to a"
        " neighbour's address; needs --other-traffic",
        damages_address=server_slot.garbled_address,
    ),
    _device(
        "key-erased",
        "its key is erased: it makes a new one at its start (error 26 where the cloud compares,"
        " else 6)",
        damages_slot=damage.erased,
    ),
    _device(
        "key-erased-tail",
        "its key is erased from within the modulus on: it sends another key (error 26 where the"
        " cloud compares, else 6)",
        damages_slot=damage.erased_tail,
    ),
    _device(
        "key-truncated",
        "its key is erased behind the modulus: it cannot open credentials (error 6)",
        damages_slot=damage.truncated,
    ),
    _device(
        "key-pkcs8",
        "its key was written as PKCS#8: it sends another key (error 26 where the cloud compares,"
        " else 6)",
        damages_slot=damage.pkcs8_in_slot,
    ),
    _device(
        "key-ec",
        "an elliptic-curve key was written for its RSA key (error 26 where the cloud compares,"
        " else 6)",
        damages_slot=damage.ec_in_slot,
    ),
    _device(
        "key-unlucky",
        "its key is sound, but its firmware misreads it, as one key in a hundred (error 6)",
        makes_slot=damage.unlucky_slot,
        damages_slot=damage.need_unlucky,
        device_id=UNLUCKY_ID,
    ),
    _device(
        "key-p-flipped",
        "one bit of its key's first prime is flipped (error 6)",
        damages_slot=damage.p_flipped,
    ),
    _device(
        "key-other",
        "holds another key than the registered one (error 26 where the cloud compares, else 6)",
        damages_slot=damage.other_key,
    ),
    _device(
        "unknown-id",
        "says an id that nobody registered: the cloud closes (error 26)",
        settings={"device_id": _UNKNOWN_ID},
    ),
    _device(
        "unclaimed",
        "publishes a claim code at each session; a cloud without --claims never confirms it",
        settings={"claim_code": _CLAIM_CODE},
    ),
    _device(
        "safe-mode",
        "runs without its application and says so in its session",
        settings={"safe_mode": True},
    ),
    _device(
        "vanishes",
        "is gone once its session began, without a FIN; nothing is acknowledged (on Linux; after a"
        " minute without root its kernel says goodbye)",
        _cut("handshake_complete", Ending.VANISH, sends=True),
    ),
    _device(
        "no-pings",
        "never pings: a cloud that compares closes the idle session after 31 s",
        settings={"ping_interval": _NEVER},
    ),
    _device(
        "split-identity",
        "sends its identity in two pieces, as a path may: harmless unless the cloud has"
        " no-reassembly",
        Script(split=Split(100, 0.2)),
    ),
    _device(
        "closes-after-nonce",
        "closes where its identity should come",
        _cut("nonce_received", _CLOSE),
    ),
    _device(
        "hangs-after-nonce",
        "sends no identity; the cloud closes when its time is over",
        _cut("nonce_received", _SILENCE),
    ),
    _device(
        "crash-at-describe",
        "closes where the answer to a Describe should come, as after a crash",
        _cut("message", _CLOSE, Kind.DESCRIBE_REQUEST),
    ),
)

FAULTS: dict[Role, dict[str, Fault]] = {
    role: {fault.name: fault for fault in _ALL if fault.side is role} for role in Role
}
SOUND = {role: Fault(name="sound", side=role, line="does all of it right") for role in Role}
