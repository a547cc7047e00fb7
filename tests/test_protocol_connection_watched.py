"""A device and a cloud that we play, watched through segments that a path has mangled."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frames
import vectors
from handshake_probe.keys.keyring import Keyring
from handshake_probe.packets.flows import FlowTable
from handshake_probe.packets.units import Direction, Segment
from handshake_probe.protocol import events as ev
from handshake_probe.protocol.coap import CoapMessage
from handshake_probe.protocol.seal import Entropy, Seal
from handshake_probe.protocol.settings import Manner
from handshake_probe.protocol.state import Role
from handshake_probe.protocol.transcript import Transcript
from played import GENERATIONS, MANNERS, NOW, Pair, cloud, device, of, said

PASSES, LOST_BEFORE, LOST_BEHIND = "passes", "lost before the watcher", "lost behind the watcher"
FATES = st.sampled_from([PASSES, PASSES, LOST_BEFORE, LOST_BEHIND])
SEQUENCE = {Direction.DEVICE_TO_CLOUD: 1000, Direction.CLOUD_TO_DEVICE: 9000}


Piece = tuple[int, int]  # of a burst: from, to


@dataclass
class Wire:
    """Carries bytes in order to both ends, and shows a watcher how the path carried them.

    Args:
        pair: Both ends.
        data: Decides what happens to each piece.
        stalls: After so many bursts, something is lost for good; None: never.
    """

    pair: Pair
    data: st.DataObject
    stalls: int | None = None

    def __post_init__(self) -> None:
        self.position = dict.fromkeys(Direction, 0)
        self.captured: list[Segment] = []
        self.dead: set[Direction] = set()
        self._packet(Direction.DEVICE_TO_CLOUD, -1, b"", flags=frames.SYN, ack=False)
        self._packet(Direction.CLOUD_TO_DEVICE, -1, b"", flags=frames.SYN)

    def _packet(
        self, direction: Direction, at: int, payload: bytes, *, flags: int = 0, ack: bool = True
    ) -> None:
        number = len(self.captured) + 1
        acknowledgment = SEQUENCE[direction.other] + 1 + self.position[direction.other]
        self.captured.append(
            frames.segment(
                direction is Direction.DEVICE_TO_CLOUD,
                SEQUENCE[direction] + 1 + at,
                acknowledgment if ack else None,
                payload,
                flags=flags,
                frame=number,
                time_ns=round(self.pair.now * 1_000_000_000) + number * 1000,
                ip_id=number,
            )
        )

    def burst(self, sender: Role) -> bool:
        """Carry what one side has to say: cut, doubled and out of order on the way."""
        side, direction = self.pair.side(sender), sender.sends
        data = side.data_to_send()
        if not data:
            return False
        cuts = sorted(self.data.draw(st.sets(st.integers(1, len(data)), max_size=4)))
        edges = [0, *(cut for cut in cuts if cut < len(data)), len(data)]
        pieces = list(pairwise(edges))
        arrived = self._stalled(direction, data, pieces) or self._sent(direction, data, pieces)
        self.position[direction] += len(data)
        peer = Role.CLOUD if sender is Role.DEVICE else Role.DEVICE
        for start, stop in arrived:
            told = self.pair.side(peer).receive_data(data[start:stop], self.pair.now)
            self.pair.note(peer, told)
        return True

    def _sent(self, direction: Direction, data: bytes, pieces: list[Piece]) -> list[Piece]:
        """Show pieces out of order, doubled, and sent again where they were lost; all arrive."""
        fates = {piece: self.data.draw(FATES) for piece in pieces}
        seen = [
            piece
            for piece in self.data.draw(st.permutations(pieces))
            if fates[piece] is not LOST_BEFORE
        ]
        again = self.data.draw(st.lists(st.sampled_from(pieces), max_size=2))
        resent = [piece for piece in pieces if fates[piece] is not PASSES]
        for start, stop in [*seen, *again, *resent]:
            self._packet(direction, self.position[direction] + start, data[start:stop])
        return pieces

    def _stalled(
        self, direction: Direction, data: bytes, pieces: list[Piece]
    ) -> list[Piece] | None:
        """Lose a piece for good when it is time: nothing behind it arrives, ever."""
        if self.stalls is None:
            return None
        self.stalls -= 1
        if direction in self.dead:
            arrived = 0
        elif self.stalls < 0 and not self.dead:
            self.dead.add(direction)
            arrived = self.data.draw(st.integers(0, len(pieces) - 1))
        else:
            return None
        shown = [piece for piece in pieces[arrived:] if self.data.draw(FATES) is not LOST_BEFORE]
        for start, stop in pieces[:arrived] + shown:
            self._packet(direction, self.position[direction] + start, data[start:stop])
        return pieces[:arrived] or [(0, 0)]

    def settle(self) -> None:
        while self.burst(Role.CLOUD) | self.burst(Role.DEVICE):
            pass

    def end(self, sender: Role) -> None:
        self._packet(sender.sends, self.position[sender.sends], b"", flags=frames.FIN)
        peer = Role.CLOUD if sender is Role.DEVICE else Role.DEVICE
        self.pair.note(peer, self.pair.side(peer).receive_eof(self.pair.now))

    def watched(self, keyring: Keyring = vectors.ALL_KEYS) -> list[ev.Event]:
        table = FlowTable(lambda port: port == 5683)
        transcript = Transcript(keyring)
        pieces = [piece for segment in self.captured for piece in table.feed(segment)]
        for _, direction, piece in pieces + table.finish():
            transcript.feed(direction, piece)
        transcript.finish(self.captured[-1].time_ns, len(self.captured))
        return list(transcript.events)


def told(events: list[ev.Event], kind: type[ev.Event], *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(getattr(event, name) for name in fields) for event in of(events, kind)]


ACTIONS = st.lists(st.sampled_from(["publish", "deliver", "function", "variable", "ping"]))


@settings(deadline=None, max_examples=50)
@given(
    st.data(), st.sampled_from(GENERATIONS), st.sampled_from(MANNERS), ACTIONS, st.integers(0, 99)
)
def test_the_watcher_tells_what_both_ends_tell(
    data: st.DataObject, generation: Any, manner: Any, actions: list[str], seed: int
) -> None:
    one = device(generation=generation, seed=f"device {seed}")
    pair = Pair(one, cloud(manner=manner, describes=(1, 2), seed=f"cloud {seed}"))
    wire = Wire(pair, data)
    pair.start()
    wire.settle()
    session = pair.cloud.phase == "session"
    for action in actions if session else []:
        match action:
            case "publish":
                pair.note(Role.DEVICE, one.publish(NOW, "truth/temp", b"n" * 50))
            case "deliver":
                pair.note(Role.CLOUD, pair.cloud.publish(NOW, "truth/down", b"d" * 30))
            case "function":
                pair.note(Role.CLOUD, pair.cloud.call_function(NOW, "led", b"on"))
            case "variable":
                pair.note(Role.CLOUD, pair.cloud.request_variable(NOW, "counter"))
            case "ping":
                pair.note(Role.DEVICE, one.ping(NOW))
        wire.settle()
    ender = Role.DEVICE if session else Role.CLOUD
    if session:
        pair.note(ender, one.close(NOW))
    wire.end(ender)

    watched = wire.watched()
    assert of(watched, ev.FramingLost, ev.RecordBad) == []
    for role in Role:
        ours = pair.events[role]
        assert told(ours, ev.NonceReceived, "nonce", "flaws") == told(
            watched, ev.NonceReceived, "nonce", "flaws"
        )
        assert told(ours, ev.IdentitySent, "blob") == told(watched, ev.IdentitySent, "blob")
        parts = ("ciphertext", "signature")
        assert told(ours, ev.CredentialsReceived, *parts) == told(
            watched, ev.CredentialsReceived, *parts
        )
        believed = ("session", "key", "proven")
        assert told(ours, ev.SessionKeys, *believed) == told(watched, ev.SessionKeys, *believed)
        for direction in Direction:
            assert said(ours, direction) == said(watched, direction)
    identities = ("key", "state", "plaintext_length", "device_id", "device_key")
    assert told(pair.events[Role.CLOUD], ev.IdentityTest, *identities) == told(
        watched, ev.IdentityTest, *identities
    )
    tests: tuple[tuple[type[ev.Event], tuple[str, ...]], ...] = (
        (ev.SignatureTest, ("key", "state", "body_length")),
        (ev.CredentialsTest, ("key", "state", "plaintext_length", "firmware_opens")),
    )
    for test, names in tests:
        own = told(pair.events[Role.DEVICE], test, *names)
        assert own == told(watched, test, *names)[: len(own)]
    listener = Role.CLOUD if session else Role.DEVICE
    assert told(pair.events[listener], ev.Ended, "direction", "kind") == told(
        watched, ev.Ended, "direction", "kind"
    )
    assert pair.side(listener).phase == "closed"


def in_order(seen: list[ev.Message], spoken: list[bytes]) -> bool:
    """Whether all that was seen was said in this order; behind a gap a first block is unknown."""
    left = iter(spoken)
    return all(
        any(
            plaintext[16 if message.truncated_head else 0 :] == message.plaintext
            for plaintext in left
        )
        for message in seen
    )


@settings(deadline=None, max_examples=40)
@given(st.data(), st.sampled_from(GENERATIONS), st.integers(0, 9), st.integers(0, 99))
def test_a_stall_ends_the_story_for_nobody_earlier_than_it_must(
    data: st.DataObject, generation: Any, stalls: int, seed: int
) -> None:
    """The watcher hears at least what an end heard, and nothing that nobody said."""
    one = device(generation=generation, seed=f"device {seed}")
    other = cloud(manner=Manner.TRUSTS_REGISTER, describes=(1, 2), seed=f"cloud {seed}")
    pair = Pair(one, other)
    wire = Wire(pair, data, stalls)
    pair.start()
    wire.settle()
    for _ in range(3):
        for role in Role:
            if pair.side(role).phase == "session":
                pair.note(role, pair.side(role).publish(NOW, "truth/any", b"n" * 50))
        wire.settle()
    watched = wire.watched()
    for role in Role:
        direction, listener = role.sends, Role.CLOUD if role is Role.DEVICE else Role.DEVICE
        seen = [message for message in of(watched, ev.Message) if message.direction is direction]
        spoken, heard = (said(pair.events[side], direction) for side in (role, listener))
        assert in_order(seen, spoken)
        assert heard == spoken[: len(heard)]
        if direction.other not in wire.dead:  # else the keys to it may be lacking
            assert heard == [message.plaintext for message in seen[: len(heard)]]
    nonces = told(pair.events[Role.DEVICE], ev.NonceReceived, "nonce")
    assert nonces == told(watched, ev.NonceReceived, "nonce")[: len(nonces)]


class DigestInfo(Seal):
    def sign(self, signer: Any, mac: bytes) -> bytes:
        return super().sign(signer, bytes.fromhex("3021300906052b0e03021a05000414") + mac)


class OtherSigner(Seal):
    def sign(self, signer: Any, mac: bytes) -> bytes:
        return super().sign(signer._replace(n=signer.n - 2, p=0, q=0), mac)


class LastBlock(Seal):
    """Plain CBC chaining: what everybody gets wrong."""

    def next_iv(self, initial: bytes, ciphertext: bytes) -> bytes:
        return ciphertext[-16:]


class ShortSession(Seal):
    def session(self, entropy: Entropy) -> bytes:
        return super().session(entropy)[:39]


class Silent(Seal):
    def hello(self, message: CoapMessage) -> None:
        return None


class ShortNonce(Seal):
    def nonce(self, entropy: Entropy) -> bytes:
        return super().nonce(entropy)[:20]


@pytest.mark.parametrize(
    ("seal", "error", "seen"),
    [
        (DigestInfo(), 8, "digest_info"),
        (OtherSigner(), 8, "padding_bad"),
        (ShortSession(), 8, "padding_good_length_odd"),
    ],
)
def test_a_laboratory_makes_wrong_credentials(seal: Seal, error: int, seen: str) -> None:
    pair = Pair(cloud=cloud(seal)).start().settle()
    violation, closed = pair.events[Role.DEVICE][-2:]
    told_ = (getattr(violation, "seen", None), getattr(violation, "error", None))
    assert told_ == (seen, error)
    assert getattr(closed, "error", None) == error
    assert getattr(violation, "step", None) == "credentials"


def test_a_laboratory_stays_silent() -> None:
    pair = Pair(cloud=cloud(Silent())).start().settle().pass_time(4)
    assert [getattr(e, "error", None) for e in pair.events[Role.DEVICE][-2:]] == [10, 10]
    pair = Pair(device(Silent())).start().settle().pass_time(4)
    assert said(pair.events[Role.CLOUD]) == []


def test_a_laboratory_sends_half_a_nonce() -> None:
    pair = Pair(cloud=cloud(ShortNonce())).start().settle().pass_time(20)
    short = of(pair.events[Role.DEVICE], ev.NonceShort)[0]
    assert short.received == 20
    assert of(pair.events[Role.CLOUD], ev.NonceReceived) == []


def test_a_laboratory_chains_as_everybody_does() -> None:
    """One block is right by chance; the record after a longer one is garbage to the device."""
    pair = Pair(cloud=cloud(LastBlock(), describes=(1,))).start().settle()
    assert of(pair.events[Role.DEVICE], ev.RecordBad) == []
    pair.act(Role.CLOUD, lambda c: c.publish(pair.now, "truth/down", b"x" * 30))
    pair.act(Role.CLOUD, lambda c: c.ping(pair.now))
    heard = said(pair.events[Role.DEVICE], Direction.CLOUD_TO_DEVICE)
    assert heard[-1] != said(pair.events[Role.CLOUD], Direction.CLOUD_TO_DEVICE)[-1]
    assert pair.device.phase == "session"
