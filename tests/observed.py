"""Observations told as stories, and what the rules say about them.

`connection().connected().nonce().identity().cloud_fin()` is a connection the cloud closes after the
identity. Each step takes a little time; `wait` and `then_quiet` say how much passes between steps
and after the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from handshake_probe.diagnose.case import Case, KeyFacts
from handshake_probe.diagnose.devices import find_devices
from handshake_probe.diagnose.document import build_measurement
from handshake_probe.diagnose.judge import judge_connection
from handshake_probe.diagnose.judgement import Judgement
from handshake_probe.diagnose.topology import Topology
from handshake_probe.model.measurement import KeyUsed, Measurement, Software, Source, Verdict
from handshake_probe.model.observations import (
    AnyObservation,
    CaptureSeen,
    ConnectionSeen,
    ControlSeen,
    CredentialsSeen,
    DirectionSeen,
    DnsSeen,
    HostSeen,
    IcmpSeen,
    IdentitySeen,
    KeyTest,
    NonceSeen,
    PathTtlSeen,
    PresenceSeen,
    RecordsSeen,
    SessionSeen,
)
from handshake_probe.model.vocabulary import EndedBy, Stage

START = 1_700_000_000.0
DEVICE = "192.168.1.20"
GATEWAY = "192.168.1.1"
GATEWAY_MAC = "02:00:00:00:00:fe"
PUBLIC_CLOUD = "52.10.20.30"  # a public address, so surely beyond the device's link
LOCAL_CLOUD = "192.168.1.99"  # on the device's link
FAR_TTL = 50  # 14 hops away
STEP = 0.02  # seconds between two packets
NONCE, IDENTITY, CREDENTIALS, RECORD = 40, 256, 384, 18
DEVICE_ID = "e00fce68a1b2c3d4e5f60718"
OTHER_ID = "e00fce680000000000000001"
CLOUD_KEY, OTHER_CLOUD_KEY = "sha256:c10d", "sha256:07e5"
DEVICE_KEY, OTHER_DEVICE_KEY = "sha256:de71", "sha256:de72"


class Story:
    """One connection as it unfolds; `seen` gives the observation."""

    def __init__(self, stream: int, device: str, cloud: str, at: float, ttl: int) -> None:
        self.stream = stream
        self.device, self.cloud = f"{device}:{41000 + stream}", f"{cloud}:5683"
        self.started = self.now = START + at
        self.ttl = ttl
        self.frame = 100 * stream + 1
        self.quiet: float | None = None
        self.stage = Stage.TCP_SYN
        self.ended: tuple[EndedBy, int | None, float | None] | None = None
        self.controls: list[ControlSeen] = []
        self.errors: list[IcmpSeen] = []
        self.tests: list[KeyTest] = []
        self.sent: dict[str, dict[str, Any]] = {
            "device": {"link_source": "94:94:4a:00:00:20"},
            "cloud": {"link_source": GATEWAY_MAC},
        }
        self.fields: dict[str, Any] = {}
        self.records_of: dict[str, RecordsSeen] = {
            "device": RecordsSeen(),
            "cloud": RecordsSeen(),
        }

    # How time passes.

    def wait(self, seconds: float) -> Story:
        """Let time pass before the next step."""
        self.now += seconds
        return self

    def then_quiet(self, seconds: float) -> Story:
        """The capture goes on for this long after the last packet; else it ends with it."""
        self.quiet = seconds
        return self

    def _tick(self) -> None:
        self.now += STEP
        self.frame += 1

    def _packet(self, sender: str, *, reset: bool = False) -> dict[str, Any]:
        facts = self.sent[sender]
        if not reset:
            facts.setdefault("ttls", [self.ttl if sender == "cloud" else 64])
        facts["packets"] = facts.get("packets", 0) + 1
        facts["last_packet"], facts["last_packet_frame"] = self.now, self.frame
        return facts

    def control(self, sender: str, flags: str, **changes: Any) -> Story:
        """A SYN, SYN/ACK, FIN or RST."""
        self._tick()
        self._packet(sender, reset=flags == "RST")
        other = "cloud" if sender == "device" else "device"
        values: dict[str, Any] = {
            "sequence": self.sent[sender].get("sent_up_to", 0),
            "acknowledgment": self.sent[other].get("sent_up_to", 0) or None,
            "ttl": self.ttl if sender == "cloud" else 64,
            **changes,
        }
        self.controls.append(
            ControlSeen(frame=self.frame, time=self.now, sender=sender, flags=flags, **values)
        )
        if flags in ("FIN", "RST") and self.ended is None:
            word = EndedBy(f"{sender}_{flags.lower()}")
            self.ended = (word, self.frame, self.now)
        return self

    # How a connection comes up.

    def syn(self, times: int = 1) -> Story:
        """The device asks, and asks again after one second each."""
        for count in range(times):
            if count:
                self.wait(1.0)
            self.control("device", "SYN", sequence=0, acknowledgment=None)
        return self

    def no_answer(self) -> Story:
        """Nothing comes back for long enough."""
        self.ended = (EndedBy.SILENCE, None, None)
        return self.then_quiet(8.0)

    def syn_ack(self, ttl: int | None = None) -> Story:
        """Somebody accepts; with a `ttl` of its own all packets of that side carry it."""
        if ttl is not None:
            self.ttl, self.sent["cloud"]["ttls"] = ttl, [ttl]
        return self.control("cloud", "SYN-ACK", sequence=0, acknowledgment=1)

    def connected(self, ttl: int | None = None) -> Story:
        """The TCP handshake, all of it."""
        self.syn().syn_ack(ttl)
        self._tick()
        self._packet("device")
        self.fields["established"] = self.now
        self.sent["device"]["sent_up_to"] = self.sent["device"]["acknowledged_up_to"] = 1
        self.sent["cloud"]["sent_up_to"] = self.sent["cloud"]["acknowledged_up_to"] = 1
        self.stage = Stage.TCP_ESTABLISHED
        return self

    # How the handshake goes on.

    def _data(self, sender: str, size: int, *, acknowledged: bool = True) -> None:
        self._tick()
        facts = self._packet(sender)
        facts["sent_up_to"] = facts["claimed_up_to"] = facts.get("sent_up_to", 1) + size
        facts["last_data"], facts["last_data_frame"] = self.now, self.frame
        if acknowledged:
            facts["acknowledged_up_to"] = facts["sent_up_to"]

    def nonce(self, received: int = NONCE, *, acknowledged: bool = True, **changes: Any) -> Story:
        """The cloud's first message."""
        self._data("cloud", received, acknowledged=acknowledged)
        whole = received >= NONCE
        self.fields["nonce"] = NonceSeen(
            frame=self.frame, time=self.now, received=received, whole=whole, **changes
        )
        if whole:
            self.stage = Stage.NONCE_RECEIVED
        return self

    def portal_page(self) -> Story:
        """Somebody speaks HTTP where 40 random bytes were due."""
        return self.nonce(
            flaws=["known_prefix", "printable"], looks_like="http", excerpt="HTTP/1.1 302 Found"
        )

    def identity(self, pieces: int = 1, *, acknowledged: bool = True, **changes: Any) -> Story:
        """The device's 256 bytes."""
        self._data("device", IDENTITY, acknowledged=acknowledged)
        self.fields["identity"] = IdentitySeen(
            frame=self.frame,
            time=self.now,
            received=IDENTITY,
            captured=True,
            pieces=pieces,
            **changes,
        )
        self.stage = Stage.IDENTITY_SENT
        return self

    def credentials(self, received: int = CREDENTIALS, **changes: Any) -> Story:
        """The cloud's 384 bytes, or a part of them."""
        self._data("cloud", received)
        whole = received >= CREDENTIALS
        self.fields["credentials"] = CredentialsSeen(
            frame=self.frame,
            time=self.now,
            received=received,
            whole=whole,
            captured=whole,
            **changes,
        )
        if whole:
            self.stage = Stage.CREDENTIALS_RECEIVED
        return self

    def record(self, sender: str) -> Story:
        """One encrypted record."""
        self._data(sender, RECORD)
        earlier = self.records_of[sender]
        self.records_of[sender] = RecordsSeen(
            count=earlier.count + 1,
            first_frame=earlier.first_frame or self.frame,
            first_time=earlier.first_time or self.now,
            first_length=16,
            last_frame=self.frame,
            last_time=self.now,
        )
        return self

    def hello(self) -> Story:
        """The device's first record."""
        self.record("device")
        self.stage = Stage.HELLO_SENT
        return self

    def answered_hello(self) -> Story:
        """The cloud's first record: a session."""
        self.record("cloud")
        self.stage = Stage.SESSION
        return self

    def handshake(self) -> Story:
        """Everything up to the session."""
        return self.connected().nonce().identity().credentials().hello().answered_hello()

    def talked(self, **said: Any) -> Story:
        """The session could be decrypted, and this is what it said."""
        self.fields["session"] = SessionSeen(proven=True, messages=4, **said)
        return self

    # How it ends, and what the path shows.

    def device_fin(self) -> Story:
        """The device closes."""
        return self.control("device", "FIN")

    def device_rst(self, **changes: Any) -> Story:
        """A reset with the device's address."""
        return self.control("device", "RST", **changes)

    def cloud_fin(self) -> Story:
        """The cloud closes."""
        return self.control("cloud", "FIN")

    def cloud_rst(self, **changes: Any) -> Story:
        """A reset with the cloud's address."""
        return self.control("cloud", "RST", **changes)

    def unheard(self, sender: str, *, repeats: int = 3, over: float = 5.0) -> Story:
        """One side repeats its last data, and nobody acknowledges it."""
        facts = self.sent[sender]
        facts["retransmissions"] = facts["unacknowledged_retransmissions"] = repeats
        self._tick()
        facts["first_retransmission"] = self.now
        self.now += over
        self._packet(sender)
        facts["last_retransmission"] = facts["last_data"] = self.now
        return self

    def still_speaks(self, sender: str) -> Story:
        """A packet without data: a sign of life."""
        self._tick()
        self._packet(sender)
        return self

    def silence(self) -> Story:
        """Nobody closes, and somebody is not heard any more."""
        self.ended = (EndedBy.SILENCE, None, None)
        return self if self.quiet is not None else self.then_quiet(40.0)

    def icmp(
        self, source: str, code: int, *, kind: int = 3, version: int = 4, ttl: int = 255
    ) -> Story:
        """A router's error quotes the connection."""
        self._tick()
        self.errors.append(
            IcmpSeen(
                frame=self.frame,
                time=self.now,
                source=source,
                version=version,
                type=kind,
                code=code,
                ttl=ttl,
            )
        )
        if self.stage is Stage.TCP_SYN and self.ended is None:
            self.ended = (EndedBy.ICMP, None, None)
        return self

    def path(self, sender: str, **facts: Any) -> Story:
        """Set facts of one direction outright."""
        self.sent[sender].update(facts)
        return self

    def with_(self, **fields: Any) -> Story:
        """Set fields of the observation outright."""
        self.fields.update(fields)
        return self

    # What keys show.

    def key(self, block: str, key: str, state: str, **changes: Any) -> Story:
        """One key tried on one block."""
        role = "device" if block == "credentials" else "cloud"
        values: dict[str, Any] = {"role": role, "private": block != "signature", **changes}
        self.tests.append(KeyTest(frame=self.frame, block=block, key=key, state=state, **values))
        return self

    def opens(self, key: str = CLOUD_KEY, **changes: Any) -> Story:
        """The identity opens with a cloud's private key."""
        facts = {"length": 214, "device_id": DEVICE_ID, "sent_key": DEVICE_KEY, **changes}
        return self.key("identity", key, "opened", **facts)

    def signed(self, state: str = "opened", key: str = CLOUD_KEY) -> Story:
        """The signature tried with a cloud's public key."""
        return self.key("signature", key, state)

    def seen(self) -> ConnectionSeen:
        """The observation."""
        by, frame, time = self.ended or (EndedBy.CAPTURE_END, None, None)
        return ConnectionSeen(
            **{
                "id": f"o{10 + self.stream}",
                "stream": self.stream,
                "device": self.device,
                "cloud": self.cloud,
                "first_frame": 100 * self.stream + 2,
                "last_frame": self.frame,
                "started": self.started,
                "ended": self.now,
                "capture_end": self.now + (self.quiet or 0.0),
                "stage": self.stage,
                "ended_by": by,
                "ended_frame": frame,
                "ended_time": time,
                "from_device": DirectionSeen(**self.sent["device"]),
                "from_cloud": DirectionSeen(**self.sent["cloud"]),
                "controls": self.controls,
                "icmp": self.errors,
                "key_tests": self.tests,
                "device_records": self.records_of["device"],
                "cloud_records": self.records_of["cloud"],
                **self.fields,
            }
        )


def connection(
    stream: int = 0,
    *,
    device: str = DEVICE,
    cloud: str = PUBLIC_CLOUD,
    at: float | None = None,
    ttl: int = FAR_TTL,
) -> Story:
    """A connection about to begin; the streams of one capture are a minute apart."""
    return Story(stream, device, cloud, 60.0 * stream if at is None else at, ttl)


def arp(address: str, mac: str = GATEWAY_MAC) -> HostSeen:
    """ARP names the owner of an address."""
    return HostSeen(id="o900", frame=1, time=START, address=address, mac=mac, sources=["arp"])


def other_packets(address: str, *ttls: int) -> PathTtlSeen:
    """Packets of an address beside the handshake's."""
    return PathTtlSeen(id="o901", frame=1, address=address, protocol="udp", ttls=list(ttls))


def presence(device_id: str, host: str = DEVICE) -> PresenceSeen:
    """The datagram that announces a device."""
    return PresenceSeen(id="o902", frame=1, time=START, host=host, device_id=device_id)


def question(rcode: str | None = "NOERROR", *addresses: str, **changes: Any) -> DnsSeen:
    """A look-up of the cloud's name; without `rcode` nothing answers."""
    values: dict[str, Any] = {
        "id": "o903",
        "host": DEVICE,
        "server": GATEWAY,
        "name": "device.spark.io",
        "type": "A",
        "answer_frame": None if rcode is None else 4,
        **changes,
    }
    return DnsSeen(frame=3, time=START, rcode=rcode, addresses=list(addresses), **values)


def private_cloud_key(key: str = CLOUD_KEY, *, named: bool = False) -> KeyUsed:
    """The cloud's private key was given."""
    return KeyUsed(fingerprint=key, role="cloud_private", source=f"{key[7:]}.pem", named=named)


def public_cloud_key(key: str = CLOUD_KEY, *, named: bool = False) -> KeyUsed:
    """A cloud's public key was given."""
    return KeyUsed(fingerprint=key, role="cloud_public", source=f"{key[7:]}.der", named=named)


def registered(device_id: str = DEVICE_ID, key: str = DEVICE_KEY) -> KeyUsed:
    """The key that is on file for a device was given."""
    return KeyUsed(
        fingerprint=key, role="registered", source=f"{device_id}.pub.pem", device_id=device_id
    )


def flash_key(device_id: str | None = DEVICE_ID, key: str = DEVICE_KEY) -> KeyUsed:
    """The private key a device holds was given."""
    return KeyUsed(
        fingerprint=key, role="device_private", source=f"{device_id}.der", device_id=device_id
    )


Told = Story | AnyObservation


def observations(*told: Told) -> list[AnyObservation]:
    """What was told, behind the capture's own observation.

    All connections see the same end of the capture: the latest.
    """
    seen: list[AnyObservation] = [item.seen() if isinstance(item, Story) else item for item in told]
    ends = [item.capture_end for item in seen if isinstance(item, ConnectionSeen)]
    ends += [item.last for item in seen if isinstance(item, CaptureSeen) and item.last]
    last = max(ends, default=START + 30.0)
    seen = [
        msgspec.structs.replace(item, capture_end=last)
        if isinstance(item, ConnectionSeen)
        else item
        for item in seen
    ]
    if any(isinstance(item, CaptureSeen) for item in seen):
        return seen
    return [CaptureSeen(id="o1", frames=1000, first=START, last=last), *seen]


def measured(*told: Told, keys: Sequence[KeyUsed] = ()) -> Measurement:
    """The document about what was told."""
    return build_measurement(
        kind="capture",
        source=Source(
            path="told.pcap", sha256="0" * 64, frames=1000, truncated=False, format="pcap"
        ),
        software=Software(name="handshake-probe", version="0"),
        keys=keys,
        observations=observations(*told),
        told={},
    )


def verdict(*told: Told, keys: Sequence[KeyUsed] = ()) -> Verdict:
    """The verdict on the only device that was told of."""
    devices = measured(*told, keys=keys).devices
    assert len(devices) == 1, [device.address for device in devices]
    return devices[0].verdict


def judged(*told: Told, keys: Sequence[KeyUsed] = ()) -> Judgement:
    """The judgement on the first connection that was told of."""
    seen = observations(*told)
    connections = [item for item in seen if isinstance(item, ConnectionSeen)]
    facts = KeyFacts.read(keys, seen)
    device = next(d for d in find_devices(seen, facts) if connections[0] in d.connections)
    return judge_connection(
        Case(
            connection=connections[0],
            siblings=device.connections,
            questions=device.questions,
            topology=Topology.read(seen),
            keys=facts.at(connections[0].cloud),
            capture=next(item for item in seen if isinstance(item, CaptureSeen)),
            device_id=device.device_id,
        )
    )
