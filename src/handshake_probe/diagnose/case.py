"""The case a rule judges: one connection beside everything that bears on it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter

from handshake_probe.diagnose.group import Group
from handshake_probe.diagnose.resets import Origin, ResetOrigin, outlived, reset_origin
from handshake_probe.diagnose.topology import Topology, host_of
from handshake_probe.keys.particle import is_particle_address
from handshake_probe.model.measurement import KeyUsed
from handshake_probe.model.observations import (
    AnyObservation,
    CaptureSeen,
    ConnectionSeen,
    ControlSeen,
    DnsSeen,
    KeyTest,
)
from handshake_probe.model.vocabulary import Cause, EndedBy, Stage

# "unproven": the nonce was not captured, but only the right key gives a block of this form.
OPENED = ("opened", "unproven")
# The signature is by this key, whatever else is wrong with it.
SIGNED = ("opened", "digest_info", "misplaced")


@dataclass(frozen=True)
class KeyFacts:
    """The keys of a run and what the whole capture says about them."""

    used: tuple[KeyUsed, ...]
    cloud: dict[str, KeyUsed]  # every cloud key by fingerprint
    register: dict[str, str]  # device id → fingerprint of the key registered for it
    owners: dict[str, str | None]  # fingerprint of a device's private key → device id
    signed: dict[str, set[str]]  # cloud address → keys whose signature opened there
    together: dict[str, list[set[str]]]  # cloud address → the groups it belongs to
    address: str | None = None  # of the cloud that is judged; None: any
    _at: dict[str, KeyFacts] = field(default_factory=dict, repr=False)  # by address

    @classmethod
    def read(cls, used: Sequence[KeyUsed], observations: Sequence[AnyObservation]) -> KeyFacts:
        """Gather who signed where, and which addresses are those of one cloud.

        A name that leads to several addresses names one cloud; so do the Particle cloud's own.
        """
        signed: dict[str, set[str]] = defaultdict(set)
        named: dict[str, set[str]] = defaultdict(set)
        hosts: set[str] = set()
        for item in observations:
            if isinstance(item, ConnectionSeen):
                hosts.add(host_of(item.cloud))
                for test in item.key_tests:
                    if test.block == "signature" and test.state in SIGNED:
                        signed[host_of(item.cloud)].add(test.key)
            elif isinstance(item, DnsSeen):
                named[item.name].update(item.addresses)
        together: dict[str, list[set[str]]] = defaultdict(list)
        for group in (*named.values(), set(filter(is_particle_address, hosts))):
            for address in group:
                together[address].append(group)
        return cls(
            used=tuple(used),
            cloud={key.fingerprint: key for key in used if key.role.startswith("cloud")},
            register={
                key.device_id: key.fingerprint
                for key in used
                if key.role == "registered" and key.device_id
            },
            owners={key.fingerprint: key.device_id for key in used if key.role == "device_private"},
            signed=dict(signed),
            together=dict(together),
        )

    def at(self, cloud: str) -> KeyFacts:
        """The same for the cloud at this endpoint: another cloud's signatures say nothing of it."""
        address = host_of(cloud)
        known = self._at.get(address)
        if known is None:
            known = self._at[address] = replace(self, address=address, _at={})
        return known

    @cached_property
    def signers(self) -> frozenset[str]:
        """Cloud keys whose signature opened at this address, else at one that belongs with it."""
        if self.address is None:
            return self._signers_anywhere
        own = self.signed.get(self.address)
        if own or not self.signed:
            return frozenset(own or ())
        same = {at for group in self.together.get(self.address, ()) for at in group}
        return frozenset(key for at in same for key in self.signed.get(at, ()))

    @cached_property
    def _signers_anywhere(self) -> frozenset[str]:
        return frozenset(key for keys in self.signed.values() for key in keys)

    def of_another_cloud(self, key: str) -> bool:
        """Whether a key signed for other clouds only: nothing makes it this one's as well."""
        return key not in self.signers and key in self._signers_anywhere

    @cached_property
    def cloud_key(self) -> str | None:
        """The cloud's key: whose signature opens, else the named one, else the only one."""
        for choice in (
            self.signers,
            {key.fingerprint for key in self.cloud.values() if key.named},
            set(self.cloud),
        ):
            if len(choice) == 1:
                [only] = choice
                return None if self.of_another_cloud(only) else only
        return None

    @cached_property
    def cloud_key_certain(self) -> bool:
        """Whether the capture or the user says which key it is, not its being the only one."""
        return self.cloud_key is not None and (
            self.cloud_key in self.signers or self.cloud[self.cloud_key].named
        )

    @property
    def ambiguous(self) -> bool:
        """Several cloud keys were given and nothing tells which one is the cloud's."""
        return self.cloud_key is None and len(self.cloud) > 1

    def name(self, fingerprint: str) -> str:
        """The file a key came from, for people."""
        return self._names.get(fingerprint, fingerprint)

    def of_device(self, device_id: str | None) -> Sequence[KeyUsed]:
        """The keys that are bound to a device: what it holds, what is registered for it."""
        return self._by_device.get(device_id, ()) if device_id is not None else ()

    @cached_property
    def _by_device(self) -> dict[str | None, list[KeyUsed]]:
        bound: dict[str | None, list[KeyUsed]] = defaultdict(list)
        for key in self.used:
            bound[key.device_id].append(key)
        return dict(bound)

    @cached_property
    def _names(self) -> dict[str, str]:
        return {key.fingerprint: key.source for key in reversed(self.used)}


@dataclass
class Case:
    """One connection, its device's other connections, and the capture around them."""

    connection: ConnectionSeen
    siblings: Group[ConnectionSeen]  # all connections of the device, this one included
    questions: Group[DnsSeen]  # the device's DNS look-ups
    topology: Topology
    keys: KeyFacts
    capture: CaptureSeen
    device_id: str | None

    def tests(self, block: str) -> list[KeyTest]:
        """Key tests of one block: "identity", "signature", "credentials"."""
        return [test for test in self.connection.key_tests if test.block == block]

    def test(self, block: str, key: str | None) -> KeyTest | None:
        """The test of one key on one block, the one with the private half when there are two."""
        found = [test for test in self.tests(block) if test.key == key]
        return max(found, key=lambda test: test.private, default=None)

    @property
    def opened_identity(self) -> KeyTest | None:
        """The identity as the first cloud private key that proved to open it shows it.

        Keys of clouds at other addresses do not count: that one opens it says nothing of this one.
        """
        return next(
            (
                test
                for test in self.tests("identity")
                if test.state in OPENED and not self.keys.of_another_cloud(test.key)
            ),
            None,
        )

    @cached_property
    def first_reset(self) -> ControlSeen | None:
        """The first RST of the connection that was not ignored."""
        return next(
            (
                c
                for c in self.connection.controls
                if c.flags == "RST" and not outlived(self.connection, c)
            ),
            None,
        )

    def origin(self, reset: ControlSeen) -> ResetOrigin:
        """Who made a reset of this connection."""
        return reset_origin(self.connection, reset, self.topology)

    @property
    def lossy(self) -> bool:
        """Whether the capture itself lost frames: then a missing byte proves nothing."""
        return bool(self.capture.drops) or self.siblings.once(_frames_are_missing)

    @property
    def possible_forger(self) -> tuple[Cause, ...]:
        """The network, when a reset ended the connection that need not be the cloud's own."""
        reset = self.first_reset
        if self.connection.ended_by is not EndedBy.CLOUD_RST or reset is None:
            return ()
        return () if self.origin(reset).origin is Origin.PEER else (Cause.NETWORK_BLOCKED,)

    @property
    def cloud_sent_nothing(self) -> bool:
        """Whether a packet after the device gave up shows that no answer was lost on the way.

        It carries the cloud's own sequence number, which has not moved past what was captured.
        A reset without an acknowledgment takes its number from what it answers: it shows nothing.
        """
        ends = [c for c in self.connection.controls if c.sender == "cloud" and c.flags != "SYN-ACK"]
        if ends and all(c.flags == "RST" and c.acknowledgment is None for c in ends):
            return False
        last, ended = self.connection.from_cloud.last_packet, self.connection.ended_time
        cloud = self.connection.from_cloud
        return (
            last is not None
            and ended is not None
            and last >= ended
            and cloud.claimed_up_to <= cloud.sent_up_to + 1
        )

    @property
    def quiet(self) -> float:
        """Seconds between the connection's last packet and the end of the capture."""
        return self.connection.capture_end - self.connection.ended

    @property
    def refused_for_good(self) -> bool:
        """No later connection became a session, and the cloud was away or ended one in between."""
        here = self.connection.stream
        sessions = self.siblings.once(_sessions)
        earlier = bisect_left(sessions, here, key=_STREAM)
        if not earlier or sessions[-1].stream > here:
            return False
        last, attempts = sessions[earlier - 1], self.siblings.once(_attempts)
        away = bisect_left(attempts, here) > bisect_right(attempts, last.stream)
        return away or last.ended_by in (EndedBy.CLOUD_FIN, EndedBy.CLOUD_RST)

    @property
    def earlier_session(self) -> ConnectionSeen | None:
        """An earlier connection of the same device to the same cloud that became a session."""
        first = self.siblings.once(_first_sessions).get(self.connection.cloud)
        return first if first and first.stream < self.connection.stream else None


_STREAM = attrgetter("stream")


def _frames_are_missing(connections: Group[ConnectionSeen]) -> bool:
    return any(
        sent.missing_bytes > sent.snapped_bytes
        and sent.acknowledged_up_to >= sent.claimed_up_to - 1
        for c in connections
        if not c.midstream
        for sent in (c.from_device, c.from_cloud)
    )


def _sessions(connections: Group[ConnectionSeen]) -> list[ConnectionSeen]:
    """Those that became one, in order."""
    return sorted((c for c in connections if c.stage is Stage.SESSION), key=_STREAM)


def _attempts(connections: Group[ConnectionSeen]) -> list[int]:
    """The streams that remained without an answer, in order."""
    return sorted(c.stream for c in connections if c.stage is Stage.TCP_SYN)


def _first_sessions(connections: Group[ConnectionSeen]) -> dict[str, ConnectionSeen]:
    """The first session with each cloud."""
    return {c.cloud: c for c in reversed(connections.once(_sessions))}
