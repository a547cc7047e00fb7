"""What a watcher wants to know of each device right now, read from the measurement so far."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from handshake_probe.keys.particle import is_particle_name
from handshake_probe.model.measurement import ConnectionReport, DeviceReport, Measurement, Verdict
from handshake_probe.model.observations import ConnectionSeen, DnsSeen, HostSeen, PresenceSeen
from handshake_probe.model.vocabulary import EndedBy, Mechanism, Stage
from handshake_probe.report.words import SHORT_ENDINGS

_RUNG_TRIES = 5  # attempts of one length before the firmware waits twice as long
_LAST_RUNG = 7  # 128 s
_FLASH = 0.5  # seconds that a flash of the LED is worth telling; it lasts a quarter
_SILENT = "silent on the LAN"
_UNDER_WAY = "It is still under way: too early to tell."
_WAIT = "Wait: what comes next decides it."
# What these devices call themselves to a DHCP server, and who made their radios.
_NAMES = ("particle", "photon", "spark")
_MAKERS = ("94:94:4a", "e0:4f:43", "08:00:28")
# Where a device is while a connection is open, and where one ended.
_STEPS = {
    Stage.NONE: ("seen", "nothing came"),
    Stage.DNS: ("asks for address", "no address"),
    Stage.TCP_SYN: ("connecting", "no connection"),
    Stage.TCP_ESTABLISHED: ("connected", "ended before nonce"),
    Stage.NONCE_RECEIVED: ("nonce received", "ended at nonce"),
    Stage.IDENTITY_SENT: ("identity sent", "ended at identity"),
    Stage.CREDENTIALS_RECEIVED: ("credentials came", "ended at credentials"),
    Stage.HELLO_SENT: ("Hello sent", "ended at Hello"),
    Stage.SESSION: ("in session", "session ended"),
}


Key = tuple[str, str | None, int]  # address, id, number among those that no id tells apart


@dataclass(frozen=True, slots=True)
class Row:
    """One device."""

    address: str
    device_id: str | None
    name: str | None
    vendor: str | None
    step: str  # where it is, in some 18 columns
    ending: str  # how its newest connection ended; empty while it is open
    since: float | None  # epoch seconds when it came there
    last: float | None  # epoch seconds of the newest connection's last packet
    failures: int  # attempts in a row without a session, as far as they were seen
    wait: int | None  # seconds that the firmware waits before it tries again; None: it does not
    led: str  # what its LED should show
    verdict: Verdict | None  # None: it never asked for the cloud
    connection: ConnectionReport | None  # the newest
    nth: int = 0  # among the devices of one address that no id tells apart

    @property
    def key(self) -> Key:
        """What tells it from every other row."""
        return self.address, self.device_id, self.nth

    @property
    def retry(self) -> str:
        """The rung of the back-off ladder: attempts that failed, and the wait after them."""
        return f"{self.failures}×{self.wait}s" if self.wait is not None else ""


def back_off(failures: int) -> int:
    """Seconds that the firmware waits after so many failures in a row.

    Device OS, system_task.cpp: 1 s after each of the first five, doubled with every further five,
    at most 128 s.
    """
    return 1 << min(_LAST_RUNG, (failures - 1) // _RUNG_TRIES)


def rows(measurement: Measurement, now: float, *, over: bool = False) -> list[Row]:
    """The devices in the order of their first sign, then those that are there and silent.

    Args:
        measurement: Of what was seen so far.
        now: Epoch seconds.
        over: Nothing more will be seen.
    """
    streams = {o.stream: o for o in measurement.observations if isinstance(o, ConnectionSeen)}
    asked = [o for o in measurement.observations if isinstance(o, DnsSeen)]
    told = [_row(device, streams, asked, now) for device in measurement.devices]
    if not over:
        told = [dataclasses.replace(row, verdict=_so_far(row.verdict)) for row in told]
    return [*_numbered(told), *_silent(measurement, {row.address for row in told})]


def _numbered(told: Sequence[Row]) -> Iterator[Row]:
    counts: Counter[tuple[str, str | None]] = Counter()
    for row in told:
        named = row.address, row.device_id
        yield dataclasses.replace(row, nth=counts[named])
        counts[named] += 1


def _so_far(verdict: Verdict | None) -> Verdict | None:
    """The verdict in the words of a capture that goes on."""
    if verdict is None or verdict.mechanism is not Mechanism.CAPTURE_TOO_SHORT:
        return verdict
    return replace(verdict, summary=_UNDER_WAY, settles=_WAIT, next_steps=[_WAIT])


def other_hosts(measurement: Measurement, shown: Sequence[Row]) -> int:
    """How many more hosts gave a sign of life."""
    seen = {o.address for o in measurement.observations if isinstance(o, HostSeen) and o.address}
    return len(seen - {row.address for row in shown})


def _row(
    device: DeviceReport, streams: dict[int, ConnectionSeen], asked: Sequence[DnsSeen], now: float
) -> Row:
    newest = max(device.connections, key=lambda c: c.started, default=None)
    clouds = {host_of(c.cloud) for c in device.connections}
    questions = [
        q
        for q in asked
        if q.host == device.address and (is_particle_name(q.name) or clouds & set(q.addresses))
    ]
    # Many ask for IPv4 and IPv6 at once, and the clouds have no IPv6.
    questions = [q for q in questions if q.type == "A"] or questions
    question = max(questions, key=lambda q: q.time, default=None)
    seen = streams.get(newest.stream) if newest is not None else None
    ending = ""
    if question is not None and (seen is None or question.time > seen.ended):
        step, since = _asking(question), question.time
        led = "blinking cyan"
    elif newest is not None and seen is not None:
        step, since = _step(newest), _since(newest, seen)
        safe_mode = seen.session is not None and seen.session.safe_mode is not None
        led = _led(newest, now - since, safe_mode=safe_mode)
        ending = "" if _open(newest) else SHORT_ENDINGS[newest.ended_by]
    else:
        step, since, led = _STEPS[Stage.NONE][0], None, "?"
    failures = _failures(device.connections)
    return Row(
        address=device.address,
        device_id=device.device_id,
        name=device.name,
        vendor=device.vendor,
        step=step,
        ending=ending,
        since=since,
        last=seen.ended if seen is not None else None,
        failures=failures,
        wait=back_off(failures) if failures else None,
        led=led,
        verdict=device.verdict,
        connection=newest,
    )


def host_of(endpoint: str) -> str:
    """The address in `192.168.1.2:5683` or `[fd00::2]:5683`."""
    return endpoint.rpartition(":")[0].strip("[]")


def _asking(question: DnsSeen) -> str:
    if question.answer_frame is None:
        return "asks for address"
    return "got an address" if question.addresses else "got no address"


def _open(connection: ConnectionReport) -> bool:
    return connection.ended_by is EndedBy.CAPTURE_END


def _step(connection: ConnectionReport) -> str:
    return _STEPS[connection.stage][0 if _open(connection) else 1]


def _since(connection: ConnectionReport, seen: ConnectionSeen) -> float:
    """When it came to where it is."""
    if not _open(connection):
        return seen.ended_time or seen.ended
    if connection.stage is Stage.SESSION:
        return seen.cloud_records.first_time or seen.started
    begun = datetime.fromisoformat(connection.started).timestamp()
    return begun + connection.events[-1].t if connection.events else begun


def _led(connection: ConnectionReport, age: float, *, safe_mode: bool) -> str:
    """What the LED shows, from Device OS 0.7 on; older ones blink slowly in the handshake too."""
    stage = connection.stage
    if _open(connection):
        if stage is Stage.SESSION:
            return "breathing magenta" if safe_mode else "breathing cyan"
        return "fast cyan" if stage.reached(Stage.TCP_ESTABLISHED) else "blinking cyan"
    if age < _FLASH and stage is not Stage.SESSION and stage.reached(Stage.TCP_ESTABLISHED):
        return "one red flash"
    return "blinking cyan"


def _failures(connections: Sequence[ConnectionReport]) -> int:
    """Attempts in a row that ended without a session; a whole handshake starts the count anew."""
    count = 0
    for connection in sorted(connections, key=lambda c: c.started):
        if connection.stage is Stage.SESSION:
            count = 0
        elif not _open(connection):
            count += 1
    return count


def _silent(measurement: Measurement, shown: set[str]) -> Iterator[Row]:
    """Hosts that look like devices, or said that they are, and never asked for the cloud."""
    announced = {
        o.host: o.device_id for o in measurement.observations if isinstance(o, PresenceSeen)
    }
    for host in measurement.observations:
        if not isinstance(host, HostSeen) or host.address in shown:
            continue
        address = host.address or host.mac or ""
        named = any(word in (host.name or "").lower() for word in _NAMES)
        made = (host.mac or "").startswith(_MAKERS)
        if named or made or address in announced:
            yield _lonely(address, announced.pop(address, None), host.name, host.time)
    for address, device_id in announced.items():
        if address not in shown:
            yield _lonely(address, device_id, None, None)


def _lonely(address: str, device_id: str | None, name: str | None, since: float | None) -> Row:
    return Row(
        address=address,
        device_id=device_id,
        name=name,
        vendor=None,
        step=_SILENT,
        ending="",
        since=since,
        last=since,
        failures=0,
        wait=None,
        led="?",
        verdict=None,
        connection=None,
    )
