"""The synthetic captures: one entry each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scripts.captures.shelf import Synthetic

from handshake_probe.lab import damage, seals
from handshake_probe.lab.memory import keys
from handshake_probe.lab.memory.cast import cloud, device, slot
from handshake_probe.lab.memory.story import (
    TO_CLOUD,
    CloudRole,
    DeviceRole,
    Does,
    Rule,
    Story,
    View,
)
from handshake_probe.lab.memory.wire import DESTINATION, FRAGMENT, HOP_BY_HOP, ROUTING
from handshake_probe.lab.scenario import Truth
from handshake_probe.protocol.settings import Generation, Manner

IPV6_DEVICE, IPV6_CLOUD = "fd00:7::20", "2001:db8:90::30"
CLAIM_CODE = b"synthetic claim code, never issued to anybody by any cloud 01234"[:63]
OTHER_CLOUD_ADDRESS = "10.91.0.30"
_REGISTER_ONLY = {"manner": Manner.TRUSTS_REGISTER}  # what the device sends is ignored
_LARGE, _SMALL = "1111", "1100"  # highest bits of the primes of a large and a small modulus

HEALTHY = Truth(cause="healthy", stage="session")
REFUSED = Truth(cause="device_key_corruption", stage="identity_sent", settles_at="server")
UNUSABLE = Truth(cause="device_key_corruption", stage="credentials_received", settles_at="public")
WRONG_SERVER_KEY = Truth(cause="server_key_mismatch", stage="identity_sent", settles_at="server")


def story(seed: int, **parts: Any) -> Story:
    """Return a story of one device and one cloud, unless told otherwise."""
    one: tuple[DeviceRole, ...] = (device(attempts=3, tests_internet="ntp"),)
    other: tuple[CloudRole, ...] = (cloud(),)
    return Story(**{"seed": seed, "devices": one, "clouds": other, "seconds": 30.0, **parts})


def _broken(seed: int, slot_holds: bytes, **cloud_role: Any) -> Story:
    """A device whose key slot is damaged, at three attempts."""
    broken = device(slot_holds=slot_holds, attempts=3, tests_internet="ntp")
    return story(seed, devices=(broken,), clouds=(cloud(**cloud_role),))


def _damaged(
    seed: int, name: str, what: str, holds: bytes, truth: Truth, **cloud_role: Any
) -> Synthetic:
    return Synthetic(
        name=name,
        what=what,
        story=_broken(seed, holds, **cloud_role),
        truth=truth,
        flash={"device": holds},
    )


def _server_key(seed: int, name: str, what: str, modulus: int | str, truth: Truth) -> Synthetic:
    holder = device(server=modulus, attempts=3, tests_internet="ntp")
    return Synthetic(name=name, what=what, story=story(seed, devices=(holder,)), truth=truth)


def _even(n: int) -> int:
    return n - n % 2


def _noise() -> int:
    """Bytes 33 to 288 of a server key slot that was overwritten; odd, so the device goes on."""
    return keys.cloud_numbers("noise").n ^ (keys.cloud_numbers("cloud").n >> 900) << 1


def _ipv6(seed: int, **parts: Any) -> Story:
    caller = device(address=IPV6_DEVICE, calls=IPV6_CLOUD)
    return story(seed, devices=(caller,), clouds=(cloud(address=IPV6_CLOUD),), **parts)


UNCLAIMED = (
    Synthetic(
        name="unclaimed-undisturbed",
        what="The device publishes its claim code, nobody confirms it, and its session stays up "
        "to the end of the capture.",
        story=story(
            101,
            devices=(device(settings={"claim_code": CLAIM_CODE}, stays=None),),
            seconds=75.0,
        ),
        truth=Truth(
            cause="unclaimed", stage="session", settles_at="full", also_below_full=("healthy",)
        ),
    ),
    Synthetic(
        name="unclaimed-on-every-connect",
        what="The device publishes its claim code on each of three connects, which it ends in "
        "order itself; nobody ever confirms it.",
        story=story(
            102,
            devices=(
                device(
                    settings={"claim_code": CLAIM_CODE, "generation": Generation.V3_3},
                    stays=14.0,
                    returns=3.0,
                    attempts=3,
                ),
            ),
            seconds=50.0,
        ),
        truth=Truth(
            cause="unclaimed", stage="session", settles_at="full", also_below_full=("healthy",)
        ),
    ),
)

DEVICE_KEYS = (
    _damaged(
        201,
        "device-key-made-anew-cloud-compares",
        "The key slot was erased from its first byte on, so the device made itself a new key; "
        "the cloud compares it with the one on file and closes.",
        slot("anew"),
        REFUSED,
    ),
    _damaged(
        202,
        "device-key-made-anew-cloud-encrypts-for-the-old",
        "The same, and the cloud looks only at its register: it answers for the old key.",
        slot("anew"),
        UNUSABLE,
        settings=_REGISTER_ONLY,
    ),
    _damaged(
        203,
        "device-key-erased-within-modulus",
        "The key slot is FF from within the modulus on; the cloud looks only at its register.",
        damage.erased_tail(slot()),
        UNUSABLE,
        settings=_REGISTER_ONLY,
    ),
    _damaged(
        204,
        "device-key-erased-within-modulus-cloud-compares",
        "The key slot is FF from within the modulus on, and the cloud compares what it is sent.",
        damage.erased_tail(slot()),
        REFUSED,
    ),
    _damaged(
        205,
        "device-key-truncated",
        "The key slot is FF behind the modulus: what the device sends is sound, what it decrypts "
        "with is not.",
        damage.truncated(slot()),
        UNUSABLE,
    ),
    _damaged(
        206,
        "device-key-prime-flipped",
        "One bit of the first prime is flipped in flash.",
        damage.p_flipped(slot()),
        UNUSABLE,
    ),
    _damaged(
        207,
        "device-key-pkcs8",
        "The key was written as PKCS#8, which OpenSSL 3 does by itself, and cut at 612 bytes.",
        damage.pkcs8_in_slot(slot()),
        REFUSED,
    ),
    _damaged(
        208,
        "device-key-elliptic-curve",
        "An elliptic-curve key was written into the slot of the RSA key.",
        keys.ec_slot("device"),
        REFUSED,
    ),
    _damaged(
        212,
        "device-key-pkcs8-cloud-ignores-it",
        "The key was written as PKCS#8; the cloud looks only at its register and answers.",
        damage.pkcs8_in_slot(slot()),
        UNUSABLE,
        settings=_REGISTER_ONLY,
    ),
    Synthetic(
        name="device-key-unlucky",
        what="The key is sound DER, but one of its integers begins with a zero byte and is stored "
        "shorter: the firmware's fixed offsets miss all that follow.",
        story=_broken(
            209,
            damage.slot_of(keys.unlucky_numbers("device")),
            knows={"device": keys.unlucky_numbers("device")},
        ),
        truth=UNUSABLE,
        registered={"device": keys.unlucky_numbers("device")},
        flash={"device": damage.slot_of(keys.unlucky_numbers("device"))},
    ),
    Synthetic(
        name="device-key-on-file-differs",
        what="The device's key is sound; the cloud has another device's key on file for its id.",
        story=story(
            210,
            clouds=(
                cloud(knows={"device": keys.device_numbers("mistaken")}, settings=_REGISTER_ONLY),
            ),
        ),
        truth=UNUSABLE,
        registered={"device": keys.device_numbers("mistaken")},
    ),
    Synthetic(
        name="device-unknown",
        what="The cloud has no key on file for the device's id.",
        story=story(211, clouds=(cloud(knows=()),)),
        truth=Truth(cause="device_unknown", stage="identity_sent", settles_at="server"),
        registered={"device": None},
    ),
)

SERVER_KEYS = (
    Synthetic(
        name="server-key-restored",
        what="The server key was erased; the firmware restored it at boot and says so in an event "
        "(mask 1). All is well.",
        story=story(301, devices=(device(settings={"key_errors": 1}),)),
        truth=HEALTHY,
    ),
    _server_key(
        302,
        "server-key-overwritten",
        "The server key is damaged between its bytes 33 and 288: the cloud cannot open what the "
        "device encrypts.",
        _noise(),
        WRONG_SERVER_KEY,
    ),
    _server_key(
        303,
        "server-key-even",
        "The server key's modulus is even: the device's RSA code refuses it, no identity is sent.",
        _even(keys.cloud_numbers("cloud").n),
        Truth(cause="server_key_mismatch", stage="nonce_received", settles_at="never"),
    ),
    _server_key(
        304,
        "server-key-of-another-cloud",
        "The device holds the server key of another cloud.",
        "elsewhere",
        WRONG_SERVER_KEY,
    ),
    Synthetic(
        name="server-key-larger-than-the-clouds",
        what="The device holds the key of another cloud whose modulus is larger: its identity, as "
        "a number, cannot have been made with this cloud's key.",
        story=story(
            315,
            devices=(
                device(
                    server=keys.cloud_numbers("large", _LARGE).n, attempts=3, tests_internet="ntp"
                ),
            ),
            clouds=(cloud(settings={"key": keys.cloud_key(keys.cloud_numbers("small", _SMALL))}),),
        ),
        truth=replace(WRONG_SERVER_KEY, settles_at="public"),
        clouds=("small",),
        cloud_tops={"small": _SMALL},
    ),
    Synthetic(
        name="server-address-leads-elsewhere",
        what="The address record is damaged: the device calls a host that does not exist, while "
        "its internet test passes. It looks just like a blocked port.",
        story=story(
            306,
            devices=(device(calls="10.90.0.31", attempts=3, tests_internet="ntp"),),
        ),
        truth=Truth(
            cause="device_fault",
            stage="tcp_syn",
            settles_at="never",
            also=("network_blocked", "server_fault"),
        ),
    ),
)

WIRE = (
    Synthetic(
        name="healthy-ipv6-extension-headers",
        what="Every packet carries IPv6 hop-by-hop, destination, routing and atomic-fragment "
        "headers.",
        story=_ipv6(401, view=View(extensions=(HOP_BY_HOP, DESTINATION, ROUTING, FRAGMENT))),
        truth=HEALTHY,
    ),
    Synthetic(
        name="healthy-ipv6-fragments",
        what="Identity, credentials and longer records come in IPv6 fragments of 96 bytes.",
        story=_ipv6(402, view=View(fragment=96)),
        truth=HEALTHY,
        ending="pcapng",
    ),
    Synthetic(
        name="healthy-ipv4-fragments",
        what="Identity, credentials and longer records come in IPv4 fragments of 96 bytes.",
        story=story(403, view=View(fragment=96)),
        truth=HEALTHY,
    ),
    Synthetic(
        name="device-key-made-anew-in-fragments",
        what="A new device key and a cloud that looks only at its register, on a VLAN and in "
        "fragments of 200 bytes.",
        story=replace(
            _broken(404, slot("anew"), settings=_REGISTER_ONLY),
            view=View(fragment=200, vlan=12),
        ),
        truth=UNUSABLE,
        flash={"device": slot("anew")},
    ),
    Synthetic(
        name="healthy-behind-nat",
        what="Captured behind a router that translates addresses.",
        story=story(405, nat=True, view=View(point="wan")),
        truth=HEALTHY,
    ),
)


def _second(**role: Any) -> DeviceRole:
    return device(
        "second", address="192.168.7.21", mac="94:94:4a:00:00:21", port=51000, start=1.1, **role
    )


CLOUDS = (
    Synthetic(
        name="several-clouds-healthy",
        what="Two devices, each with a cloud of its own; both are healthy.",
        story=story(
            501,
            devices=(
                device(calls="10.90.0.30"),
                _second(server="other", calls=OTHER_CLOUD_ADDRESS),
            ),
            clouds=(cloud(), cloud("other", knows=("second",), address=OTHER_CLOUD_ADDRESS)),
        ),
        truth=HEALTHY,
        names=("device", "second"),
        clouds=("cloud", "other"),
    ),
    Synthetic(
        name="several-clouds-one-device-holds-the-others-key",
        what="Two clouds with one device each; a third device holds the second cloud's key and "
        "calls the first, which cannot open its identity.",
        story=story(
            502,
            devices=(
                device(calls="10.90.0.30"),
                _second(server="other", calls=OTHER_CLOUD_ADDRESS),
                device(
                    "third",
                    address="192.168.7.22",
                    mac="94:94:4a:00:00:22",
                    port=53000,
                    start=2.3,
                    server="other",
                    calls="10.90.0.30",
                    attempts=3,
                ),
            ),
            clouds=(
                cloud(knows=("device", "third")),
                cloud("other", knows=("second",), address=OTHER_CLOUD_ADDRESS),
            ),
        ),
        truth=replace(WRONG_SERVER_KEY, settles_at="full"),
        each={"device": HEALTHY, "second": HEALTHY},
        names=("device", "second", "third"),
        clouds=("cloud", "other"),
    ),
)

NETWORK = (
    Synthetic(
        name="blocked-refused-by-second-router",
        what="The second router answers the SYN with ICMP 'communication administratively "
        "prohibited'.",
        story=story(
            601, rules=(Rule(does=Does.REFUSE, place=2, way=TO_CLOUD, what="cloud", ttl=255),)
        ),
        truth=Truth(cause="network_blocked", stage="tcp_syn"),
    ),
    Synthetic(
        name="blocked-identity-reset-by-second-router",
        what="The second router answers the device's 256 bytes with resets to both ends; its "
        "packets come from nearer than the cloud's.",
        story=story(
            602,
            rules=(Rule(does=Does.RESET, place=2, way=TO_CLOUD, size=256, ttl=255, both=True),),
        ),
        truth=Truth(cause="network_blocked", stage="identity_sent"),
    ),
    Synthetic(
        name="blocked-idle-flow-forgotten",
        what="The first router forgets the session while it is idle: from then on nothing passes.",
        story=story(
            603,
            devices=(device(stays=None, attempts=2),),
            rules=(Rule(does=Does.DROP, place=1, what="cloud", since=10.0, until=45.0),),
            seconds=70.0,
        ),
        truth=Truth(cause="network_blocked", stage="session"),
    ),
    Synthetic(
        name="blocked-portal-at-the-first-router",
        what="The first router takes every connection to port 5683 and answers with an HTTP "
        "redirect.",
        story=story(
            604,
            boxes=(cloud(seal=seals.TextNonce),),
            rules=(Rule(does=Does.ANSWER, place=1, way=TO_CLOUD, what="cloud"),),
        ),
        truth=Truth(cause="network_blocked", stage="identity_sent"),
    ),
)

CLOUD_FAULTS = (
    Synthetic(
        name="server-fault-digest-info",
        what="The cloud signs with a DigestInfo before the hash, as PKCS#1 says and no device "
        "accepts.",
        story=story(701, clouds=(cloud(seal=seals.DigestInfoSignature),)),
        truth=Truth(cause="server_fault", stage="credentials_received", settles_at="public"),
    ),
    Synthetic(
        name="server-fault-hmac-with-the-aes-key",
        what="The cloud computes the HMAC with the AES key in place of all 40 session bytes.",
        story=story(702, clouds=(cloud(seal=seals.WrongHmac),)),
        truth=Truth(
            cause="server_fault",
            stage="credentials_received",
            settles_at="full",
            also_below_full=("device_key_corruption",),
        ),
    ),
)

ALL = UNCLAIMED + DEVICE_KEYS + SERVER_KEYS + WIRE + CLOUDS + NETWORK + CLOUD_FAULTS
