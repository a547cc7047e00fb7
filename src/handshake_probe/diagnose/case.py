"""The case a rule judges: one connection beside everything that bears on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from handshake_probe.diagnose.resets import Origin, ResetOrigin, reset_origin
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
from handshake_probe.model.vocabulary import Cause, EndedBy

# "unproven": the nonce was not captured, but only the right key gives a block of this form.
OPENED = ("opened", "unproven")


@dataclass(frozen=True)
class KeyFacts:
    """The keys of a run and what the whole capture says about them."""

    used: tuple[KeyUsed, ...]
    signatures: frozenset[tuple[str, str]]  # cloud address, key whose signature opened there
    clouds: tuple[frozenset[str], ...] = ()  # addresses that belong together
    address: str | None = None  # of the cloud that is judged; None: any

    @classmethod
    def read(cls, used: Sequence[KeyUsed], observations: Sequence[AnyObservation]) -> KeyFacts:
        """Gather who signed where, and which addresses are those of one cloud.

        A name that leads to several addresses names one cloud; so do the Particle cloud's own.
        """
        connections = [item for item in observations if isinstance(item, ConnectionSeen)]
        signatures = {
            (host_of(connection.cloud), test.key)
            for connection in connections
            for test in connection.key_tests
            if test.block == "signature" and test.state in ("opened", "digest_info")
        }
        named: dict[str, set[str]] = defaultdict(set)
        for item in observations:
            if isinstance(item, DnsSeen):
                named[item.name].update(item.addresses)
        hosts = {host_of(connection.cloud) for connection in connections}
        clouds = [*named.values(), set(filter(is_particle_address, hosts))]
        return cls(tuple(used), frozenset(signatures), tuple(map(frozenset, clouds)))

    def at(self, cloud: str) -> KeyFacts:
        """The same for the cloud at this endpoint: another cloud's signatures say nothing of it."""
        return replace(self, address=host_of(cloud))

    @cached_property
    def signers(self) -> frozenset[str]:
        """Cloud keys whose signature opened at this address, else at one that belongs with it."""
        same = {at for cloud in self.clouds if self.address in cloud for at in cloud}
        for addresses in ({self.address}, same):
            found = {key for at, key in self.signatures if self.address is None or at in addresses}
            if found:
                return frozenset(found)
        return frozenset()

    def of_another_cloud(self, key: str) -> bool:
        """Whether a key signed for other clouds only: nothing makes it this one's as well."""
        return key not in self.signers and any(signer == key for _, signer in self.signatures)

    @cached_property
    def cloud(self) -> dict[str, KeyUsed]:
        """Every cloud key by fingerprint."""
        return {key.fingerprint: key for key in self.used if key.role.startswith("cloud")}

    @cached_property
    def register(self) -> dict[str, str]:
        """Device id → fingerprint of the key registered for it."""
        return {
            key.device_id: key.fingerprint
            for key in self.used
            if key.role == "registered" and key.device_id
        }

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
        found = next((key for key in self.used if key.fingerprint == fingerprint), None)
        return found.source if found else fingerprint


@dataclass(frozen=True)
class Case:
    """One connection, its device's other connections, and the capture around them."""

    connection: ConnectionSeen
    siblings: tuple[ConnectionSeen, ...]  # all connections of the device, this one included
    questions: tuple[DnsSeen, ...]  # the device's DNS look-ups
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
        """The first RST of the connection."""
        return next((c for c in self.connection.controls if c.flags == "RST"), None)

    def origin(self, reset: ControlSeen) -> ResetOrigin:
        """Who made a reset of this connection."""
        return reset_origin(self.connection, reset, self.topology)

    @property
    def lossy(self) -> bool:
        """Whether the capture itself lost frames: then a missing byte proves nothing."""
        return bool(self.capture.drops) or any(
            sent.missing_bytes > sent.snapped_bytes
            and sent.acknowledged_up_to >= sent.claimed_up_to - 1
            for c in self.siblings
            if not c.midstream
            for sent in (c.from_device, c.from_cloud)
        )

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
        """
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
        if any(c.stream > here and c.stage == "session" for c in self.siblings):
            return False
        sessions = [c for c in self.siblings if c.stream < here and c.stage == "session"]
        between = [
            c
            for c in self.siblings
            if sessions and sessions[-1].stream < c.stream < here and c.stage == "tcp_syn"
        ]
        return bool(between) or any(c.ended_by in ("cloud_fin", "cloud_rst") for c in sessions[-1:])

    @property
    def earlier_session(self) -> ConnectionSeen | None:
        """An earlier connection of the same device to the same cloud that became a session."""
        return next(
            (
                other
                for other in self.siblings
                if other.stream < self.connection.stream
                and other.stage == "session"
                and other.cloud == self.connection.cloud
            ),
            None,
        )
