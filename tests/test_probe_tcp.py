"""One TCP attempt, in a real network where each port meets another fate."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

import vectors
from handshake_probe.keys.rsa import private_operation
from handshake_probe.lab import network
from handshake_probe.model.probed import Ending, TcpProbed
from handshake_probe.probe import error_queue, tcp_info
from handshake_probe.probe.attempt import attempt
from handshake_probe.probe.endpoint import Endpoint, endpoint_of
from handshake_probe.probe.failure import failure_word
from handshake_probe.probe.line import Heard, say
from handshake_probe.probe.patience import Patience
from handshake_probe.protocol.layouts import IDENTITY_SIZE, NONCE_SIZE, split_identity
from handshake_probe.protocol.pkcs1 import ENCRYPTED, open_block
from lab_room import noise
from probe_town import (
    CLOUD_ADDRESS,
    LAPTOP,
    NEAR_ROUTER,
    ROUTER1,
    Serve,
    Serving,
    Town,
    ids,
)

LACK = network.missing()
pytestmark = pytest.mark.skipif(LACK is not None, reason=f"probes over TCP not run: {LACK}")

# Seconds; the kernel repeats a SYN after one, data after 0.2, 0.6 and 1.4.
QUICK = Patience(connect=0.9, nonce=0.7, more=0.25, delivery=2.5, reply=0.5, goodbye=0.3)
NEIGHBOUR = QUICK._replace(connect=6.0)  # the kernel gives up looking for a neighbour after 3 s
FIRST_PORT = 7000
NONCE = noise(NONCE_SIZE)
PORTAL = b"HTTP/1.1 302 Found\r\nLocation: http://portal.test/\r\n\r\n"
_NO_LINGER = struct.pack("ii", 1, 0)
_PAYLOAD = "meta length > 120"  # a block of 256 bytes, but no SYN and no nonce
_V4, _V6 = "reject with icmp type", "reject with icmpv6 type"
_EVERY_OTHER_SYN = "tcp flags & (syn | ack) == syn numgen inc mod 2 == 0 drop"
VERSIONS = (4, 6)


def says(*parts: bytes, before: float = 0.0, between: float = 0.0, stays: bool = True) -> Serve:
    """Send something at once, then keep the connection or close it."""

    async def serve(sock: socket.socket) -> None:
        await asyncio.sleep(before)
        for part in parts:
            await asyncio.get_running_loop().sock_sendall(sock, part)
            await asyncio.sleep(between)
        if stays:
            await asyncio.sleep(30)

    return serve


def answers(first: bytes, reply: bytes = b"", *, resets: bool = False) -> Serve:
    """Send something, wait for 256 bytes, reply, then end it."""

    async def serve(sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, first)
        taken = b""
        while len(taken) < IDENTITY_SIZE:
            taken += await loop.sock_recv(sock, IDENTITY_SIZE)
        TAKEN.append((first, taken))
        await loop.sock_sendall(sock, reply)
        await asyncio.sleep(0.1)
        if resets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

    return serve


async def resets_at_once(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


TAKEN: list[tuple[bytes, bytes]] = []  # what a cloud said, and was told


class Fate(NamedTuple):
    """What happens to connections to a port, and what a probe is to tell of it."""

    name: str
    told: str  # see `summary`
    rule: str | None = None  # of nft, on the first router; the port goes before it
    serve: Serve | None = None  # on the cloud
    block: bool = True
    identity: bool = True
    listen: bool = True
    versions: tuple[int, ...] = (4, 6)


def summary(seen: TcpProbed) -> str:
    """The words of an observation in a row, without addresses and times."""
    words: list[object] = [seen.outcome, seen.failure or "-"]
    if seen.icmp:
        words.append(f"{seen.icmp.type}/{seen.icmp.code}")
    if seen.first:
        first = seen.first
        words.append(f"first={first.received}{'' if first.is_nonce else ' flawed'}")
        words += [first.looks_like] if first.looks_like else []
    if seen.sent:
        words += [seen.sent, seen.delivery]
    if seen.reply:
        words.append(f"reply={seen.reply}")
    if seen.ended_by:
        words.append(seen.ended_by)
    return " ".join(map(str, words))


FATES = (
    Fate("dropped", "timeout generic_timeout_error", "drop"),
    Fate("port", "rejected connection_refused PORT", "reject with icmpx type port-unreachable"),
    Fate("host", "rejected host_unreachable HOST", "reject with icmpx type host-unreachable"),
    Fate("net", "rejected network_unreachable NET", "reject with icmpx type no-route"),
    Fate("admin", "rejected ADMIN", "reject with icmpx type admin-prohibited"),
    Fate("proto", "rejected no_protocol_option 3/2", f"{_V4} prot-unreachable", versions=(4,)),
    Fate("net 9", "rejected network_unreachable 3/9", f"{_V4} net-prohibited", versions=(4,)),
    Fate("host 10", "rejected host_unreachable 3/10", f"{_V4} host-prohibited", versions=(4,)),
    Fate("policy", "rejected permission_denied 1/5", f"{_V6} policy-fail", versions=(6,)),
    Fate("reject route", "rejected permission_denied 1/6", f"{_V6} reject-route", versions=(6,)),
    Fate("first SYN lost", "connected - ourselves", _EVERY_OTHER_SYN, says(NONCE), listen=False),
    Fate("reset", "refused connection_refused", "reject with tcp reset"),
    Fate("closed port", "refused connection_refused"),
    Fate(
        "silent listener",
        "connected generic_timeout_error block acknowledged silence",
        serve=says(),
    ),
    Fate(
        "silence, nothing said",
        "connected generic_timeout_error silence",
        serve=says(),
        block=False,
    ),
    Fate("only connected", "connected - ourselves", serve=says(NONCE), listen=False),
    Fate(
        "accepted on behalf",
        "connected generic_timeout_error block acknowledged silence",
    ),
    Fate(
        "nonce dropped",
        "connected generic_timeout_error silence",
        "return",  # the rule is for the way back, see `seen`
        says(NONCE),
        block=False,
    ),
    Fate(
        "payload dropped",
        "connected generic_timeout_error block unacknowledged silence",
        f"{_PAYLOAD} drop",
        says(),
    ),
    Fate(
        "payload prohibited",
        "connected DATA block unacknowledged icmp",
        f"{_PAYLOAD} reject with icmpx type admin-prohibited",
        says(),
    ),
    Fate(
        "payload reset by a box",
        "connected connection_reset block unknown reset",
        f"{_PAYLOAD} reject with tcp reset",
        says(),
    ),
    Fate(
        "payload reset by the server",
        "connected connection_reset block acknowledged reset",
        serve=answers(b"", resets=True),
    ),
    Fate("reset at once", "connected connection_reset reset", serve=resets_at_once),
    Fate("closed at once", "connected eof_error closed", serve=says(stays=False)),
    Fate(
        "nonce",
        "connected - first=40 ourselves",
        serve=says(NONCE),
        identity=False,
    ),
    Fate(
        "nonce in segments",
        "connected - first=40 ourselves",
        serve=says(NONCE[:7], NONCE[7:23], NONCE[23:], between=0.1),
        identity=False,
    ),
    Fate(
        "nonce late",
        "connected - first=40 ourselves",
        serve=says(NONCE, before=0.4),
        identity=False,
    ),
    Fate(
        "nonce too late",
        "connected generic_timeout_error silence",
        serve=says(NONCE, before=1.2),
        block=False,
    ),
    Fate(
        "nonce too short",
        "connected generic_timeout_error first=20 flawed silence",
        serve=says(NONCE[:20]),
    ),
    Fate(
        "nonce cut off",
        "connected eof_error first=20 flawed closed",
        serve=says(NONCE[:20], stays=False),
    ),
    Fate("nonce and more", "connected - first=60 flawed ourselves", serve=says(noise(60))),
    Fate("no random bytes", "connected - first=40 flawed text ourselves", serve=says(b"x" * 40)),
    Fate(
        "portal",
        f"connected eof_error first={len(PORTAL)} flawed http closed",
        serve=says(PORTAL, stays=False),
    ),
    Fate(
        "identity refused",
        "connected eof_error first=40 identity acknowledged closed",
        serve=answers(NONCE),
    ),
    Fate(
        "identity answered",
        "connected eof_error first=40 identity acknowledged reply=384 closed",
        serve=answers(NONCE, noise(384)),
    ),
    Fate(
        "identity unanswered",
        "connected generic_timeout_error first=40 identity acknowledged silence",
        serve=says(NONCE),
    ),
    Fate(
        "identity dropped",
        "connected generic_timeout_error first=40 identity unacknowledged silence",
        f"{_PAYLOAD} drop",
        says(NONCE),
    ),
    Fate(
        "no neighbour",
        "not_sent host_unreachable HOST",
    ),
    Fate("no route", "not_sent host_unreachable"),
    Fate("prohibited here", "not_sent ADMIN"),
)
# What the two versions of IP call the same.
WORDS = {
    4: {"PORT": "3/3", "HOST": "3/1", "NET": "3/0", "ADMIN": "host_unreachable 3/13"},
    6: {"PORT": "1/4", "HOST": "1/3", "NET": "1/0", "ADMIN": "permission_denied 1/1"},
}
DATA = {4: "host_unreachable", 6: "permission_denied"}
PORTS = {fate.name: FIRST_PORT + number for number, fate in enumerate(FATES)}
CASES = [(fate, version) for fate in FATES for version in fate.versions]
PROTOCOLS = {4: "meta nfproto ipv4", 6: "meta nfproto ipv6"}
ON_BEHALF = """\
table inet diversion {{
 chain in {{ type nat hook prerouting priority -100; tcp dport {port} redirect to :8020; }}
}}
"""
SLOW = ("no neighbour", "first SYN lost")
ELSEWHERE = {
    "no neighbour": {4: "10.1.0.77", 6: "fd00:1::77"},
    "no route": {4: "10.9.0.1", 6: "fd00:9::1"},
}


def silent_box(version: int) -> socket.socket:
    """Listen on all addresses and accept nothing: the kernel does, and acknowledges."""
    if version == 4:
        return socket.create_server(("", 8020))
    return socket.create_server(("", 8020), family=socket.AF_INET6)


def expected(fate: Fate, version: int) -> str:
    told = fate.told.replace("DATA", DATA[version])
    for word, meaning in WORDS[version].items():
        told = told.replace(word, meaning)
    return told


Seen = dict[tuple[str, int], TcpProbed]


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    """Every fate met once per IP version, all side by side."""
    with Town() as town:
        town.build()
        ruled = [
            f"{PROTOCOLS[version]} tcp dport {PORTS[fate.name]} {fate.rule}"
            for fate, version in CASES
            if fate.rule
        ]
        back = f"tcp sport {PORTS['nonce dropped']} meta length > 85 drop"  # no SYN/ACK is so long
        town.rules(ROUTER1, "forward", back, *ruled)
        town.filter(ROUTER1, ON_BEHALF.format(port=PORTS["accepted on behalf"]))
        boxes = [town.within(ROUTER1, partial(silent_box, version)) for version in VERSIONS]
        here = f"tcp dport {PORTS['prohibited here']} reject with icmpx type admin-prohibited"
        town.rules(LAPTOP, "output", here)
        for net in ("10.9.0.0/24", "fd00:9::/64"):
            town.configure(LAPTOP, f"route add unreachable {net}")
        served = [(fate, fate.serve) for fate in FATES if fate.serve]
        services = [(s, serve) for f, serve in served for s in town.listen(PORTS[f.name])]

        async def meet() -> Seen:
            async with Serving(services):
                met = await asyncio.gather(*(try_one(*case) for case in CASES))
            return {(f.name, v): one for (f, v), one in zip(CASES, met, strict=True)}

        yield town.run(meet)
        for box in boxes:
            box.close()


async def try_one(fate: Fate, version: int) -> TcpProbed:
    address = ELSEWHERE.get(fate.name, CLOUD_ADDRESS)[version]
    return await attempt(
        Endpoint(address, PORTS[fate.name]),
        next_id=ids(),
        listen=fate.listen,
        block=fate.block,
        server_modulus=vectors.CLOUD_NUMBERS.n if fate.identity else None,
        patience=NEIGHBOUR if fate.name in SLOW else QUICK,
    )


@pytest.mark.parametrize(("fate", "version"), CASES, ids=[f"{f.name}-{v}" for f, v in CASES])
def test_a_fate_is_told(seen: Seen, fate: Fate, version: int) -> None:
    assert summary(seen[fate.name, version]) == expected(fate, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_who_says_no(seen: Seen, version: int) -> None:
    for fate in ("port", "host", "net", "admin"):
        icmp = seen[fate, version].icmp
        assert icmp is not None
        assert (icmp.source, icmp.version) == (NEAR_ROUTER[version], version)
    for fate in ("no neighbour", "prohibited here"):
        icmp, local = seen[fate, version].icmp, seen[fate, version].local
        assert icmp is not None
        assert local is not None
        assert icmp.source in local


@pytest.mark.parametrize("version", VERSIONS)
def test_the_kernels_numbers(seen: Seen, version: int) -> None:
    for fate in ("payload dropped", "identity dropped", "payload prohibited"):
        assert seen[fate, version].retransmissions >= 3
        assert (seen[fate, version].ended_after or 99) < QUICK.delivery
    for fate in ("silent listener", "identity unanswered", "identity refused"):
        assert seen[fate, version].retransmissions == 0
    assert all(0 < (one.rtt or 0) < 0.5 for one in seen.values() if one.sent)
    assert seen["first SYN lost", version].syn_retransmissions == 1
    assert seen["nonce", version].syn_retransmissions == 0
    assert {seen["dropped", version].rtt, seen["reset", version].rtt} == {None}


def test_first_bytes(seen: Seen) -> None:
    for fate, delay in (("nonce", 0.0), ("nonce late", 0.4), ("nonce in segments", 0.0)):
        one = seen[fate, 4]
        assert one.first is not None
        assert delay <= one.first.seconds < QUICK.nonce
        assert one.first.excerpt is None
        assert one.first.digest == hashlib.sha256(NONCE).hexdigest()[:16]
        assert one.waited >= one.first.seconds + QUICK.more
    portal = seen["portal", 4].first
    assert portal is not None
    assert portal.excerpt is not None
    assert portal.excerpt.startswith("HTTP/1.1 302 Found\\x0d\\x0aLocation:")


def test_an_identity_is_a_devices_and_nobodys(seen: Seen) -> None:
    """A cloud with the private key opens it; no id occurs twice."""
    blocks = [taken for said, taken in TAKEN if said == NONCE]
    opened = [open_block(private_operation(vectors.CLOUD_NUMBERS, b), ENCRYPTED) for b in blocks]
    identities = [split_identity(plaintext or b"") for plaintext in opened]
    assert len({identity.device_id for identity in identities if identity}) == 4
    for identity in identities:
        assert identity is not None
        assert identity.nonce == NONCE
        assert identity.device_id.startswith("ff")
        assert min(bytes.fromhex(identity.device_id)[5:]) >= 0x80
        key = load_der_public_key(identity.device_key or b"")
        assert isinstance(key, RSAPublicKey)
        assert key.key_size == 1024


def meet_on_loopback(serve: Serve, act: Callable[[Endpoint], Awaitable[None]]) -> None:
    async def run() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        async with Serving([(listener, serve)]):
            await act(endpoint_of(listener.getsockname()))

    asyncio.run(run())


def test_it_leaves_with_a_fin() -> None:
    """Bytes that still come are read: closing over unread ones would send a reset."""
    ends: list[tuple[bytes, int]] = []

    async def serve(sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, NONCE)
        end = await loop.sock_recv(sock, 1)
        await loop.sock_sendall(sock, b"one thing more")
        sock.shutdown(socket.SHUT_WR)
        await asyncio.sleep(0.1)
        ends.append((end, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))

    async def act(target: Endpoint) -> None:
        await attempt(target, next_id=ids(), patience=QUICK)
        await asyncio.sleep(0.3)

    meet_on_loopback(serve, act)
    assert ends == [(b"", 0)]


def test_a_cancelled_attempt_closes_its_socket() -> None:
    ends: list[bytes] = []

    async def serve(sock: socket.socket) -> None:
        ends.append(await asyncio.get_running_loop().sock_recv(sock, 1))

    async def act(target: Endpoint) -> None:
        task = asyncio.create_task(attempt(target, next_id=ids()))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.1)

    meet_on_loopback(serve, act)
    assert ends == [b""]


def test_a_shorter_struct_of_the_kernel() -> None:
    whole = bytes(range(256))
    full = tcp_info.decode(whole)
    assert full is not None
    assert full.bytes_acked == int.from_bytes(whole[120:128], sys.byteorder)
    older = tcp_info.decode(whole[:104])
    assert older is not None
    assert older == full._replace(bytes_acked=None, segments_in=None, min_rtt=None)
    assert tcp_info.decode(whole[:100]) is None


def test_the_error_queue_is_measured() -> None:
    assert error_queue.supported() is (sys.platform == "linux")


def test_an_error_from_before_does_not_stop_what_is_said() -> None:
    """The kernel tells an ICMP error once, in place of the next call; then it goes on."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sock = Sour(ours.detach())
        with sock:
            assert say(sock, b"identity") == Heard()
            assert theirs.recv(16) == b"identity"
            sock.errors = [errno.EHOSTUNREACH, errno.EHOSTUNREACH]
            assert say(sock, b"identity") == Heard(b"", Ending.ICMP, "host_unreachable")
            sock.errors = [errno.EPIPE]
            assert say(sock, b"identity") == Heard(b"", Ending.RESET, "connection_reset")


class Sour(socket.socket):
    """A socket whose first calls fail."""

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self.errors = [errno.EHOSTUNREACH]

    def send(self, data: Any, flags: int = 0) -> int:
        if self.errors:
            raise OSError(self.errors.pop(), "sour")
        return super().send(data, flags)


@pytest.mark.parametrize(
    ("number", "word"),
    [(errno.ECONNREFUSED, "connection_refused"), (errno.EXDEV, "unknown_failure: exdev")],
)
def test_failure_words(number: int, word: str) -> None:
    assert failure_word(number) == word
