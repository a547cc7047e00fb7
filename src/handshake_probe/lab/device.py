"""A device that connects to a cloud, again and again as its firmware does.

It does what firmware does on the connection itself, and beside it where asked to. What it does not:
reset the network after five minutes of failures, as 2.0 and later do.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from enum import StrEnum

from handshake_probe.errors import HandshakeProbeError
from handshake_probe.lab import beside, damage, led, server_slot
from handshake_probe.lab.addresses import host_port
from handshake_probe.lab.entropy import EntropySource
from handshake_probe.lab.faults import SOUND, Fault
from handshake_probe.lab.journal import Entry, Journal, SentIdentity
from handshake_probe.lab.play import Act, Clock, Part, Player, unix_clock
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.events import Event
from handshake_probe.protocol.settings import DeviceSettings, Generation, HeldKey
from handshake_probe.protocol.state import Role

CONNECT_TIMEOUT = 5.0  # seconds, a Photon's
LED_TIME = 0.25  # seconds that a failure's colour is shown before the connection is closed
_RECONNECT = 0.01  # seconds until a lost session is begun anew
_SLOWER_AFTER, _SLOWEST = 5, 7  # failures per step of the back-off, and its last step


class Outcome(StrEnum):
    """What became of a connection."""

    KEPT = "kept"  # a session, which the device itself ended
    LOST = "lost"  # a session, which ended before that
    FAILED = "failed"  # no session
    UNREACHED = "unreached"  # no connection


def back_off(failures: int) -> float:
    """Return the seconds between a failure, the nth in a row, and the next attempt."""
    return float(1 << min(_SLOWEST, (failures - 1) // _SLOWER_AFTER))


def device_settings(
    device_id: str,
    slot: bytes,
    server_modulus: int,
    *,
    generation: Generation = Generation.V3_3,
    claim_code: bytes = b"",
    fault: Fault = SOUND[Role.DEVICE],
) -> DeviceSettings:
    """Return a device with a function and a variable, its keys as the fault leaves them.

    Raises LocalProtocolError for values that do not fit, KeyFileError for a slot that cannot be
    damaged any more.
    """
    server = server_slot.restored(fault.damages_server_key(server_modulus), generation)
    settings = DeviceSettings(
        device_id=device_id,
        key=HeldKey.from_slot(damage.booted(fault.damages_slot(slot))),
        server_modulus=server.modulus,
        key_errors=server.errors,
        generation=generation,
        platform_id=0 if generation is Generation.CORE else 6,
        claim_code=claim_code,
        functions=frozenset({"length"}),
        variables={"answer": (42).to_bytes(4, "big")},
        application_description=b'{"f":["length"],"v":{"answer":2}}',
    )
    return replace(settings, **fault.settings)


class Device:
    """A device.

    Args:
        settings: What it is, see `device_settings`.
        journal: Where its connections are told.
        fault: What it does wrong on its connections.
        acts: What it does once its session began.
        session: Seconds it stays in a session; None: until cancelled.
        seed: See `EntropySource`.
        other_traffic: Also does what `lab.beside` does, which reaches hosts that nobody named.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        journal: Journal,
        *,
        fault: Fault = SOUND[Role.DEVICE],
        acts: tuple[Act, ...] = (),
        session: float | None = None,
        seed: int | None = None,
        other_traffic: bool = False,
    ) -> None:
        if fault.damages_address is not None and not other_traffic:
            raise HandshakeProbeError(f"{fault.name} reaches other hosts; allow --other-traffic")
        self.outcome: Outcome | None = None
        """Of the last connection; None while there is none."""
        self._settings = settings
        self._journal = journal
        self._damages_address = fault.damages_address
        self._script = fault.script
        self._seal = fault.seal()
        self._acts = fault.acts + acts
        self._session = session
        self._entropy = EntropySource(seed, "device")
        self._other_traffic = other_traffic
        self._failed_at = 0.0  # by the loop's clock

    async def run(self, host: str, port: int, attempts: int = 1) -> None:
        """Connect until a session was kept, at most `attempts` times; `outcome` tells the rest."""
        host, port = self._boot(server_slot.Address(host, port))
        loop = asyncio.get_running_loop()
        failures, begin = 0, 0.0
        for _ in range(attempts):
            await asyncio.sleep(max(0.0, begin - loop.time()))
            begun = loop.time()
            self.outcome = await self._attempt(host, port)
            if self.outcome is Outcome.KEPT:
                return
            failures = 0 if self.outcome is Outcome.LOST else failures + 1
            # What follows a failure, an internet test even, is part of the wait.
            failed_at = self._failed_at if self._failed_at >= begun else loop.time()
            begin = failed_at + back_off(failures) if failures else loop.time() + _RECONNECT

    def _boot(self, address: server_slot.Address) -> server_slot.Address:
        """Take the address from its record, as it is found there."""
        if self._damages_address is None:
            return address
        found = self._damages_address(address)
        errors = server_slot.address_errors(found, self._settings.generation)
        self._settings = replace(self._settings, key_errors=self._settings.key_errors | errors)
        return server_slot.default_if_erased(found)

    async def _attempt(self, host: str, port: int) -> Outcome:
        clock = unix_clock()
        sends = SentIdentity(self._settings.device_id, self._sent_key)
        entry = self._journal.open(host_port(host, port), clock(), sends)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                sock = await _connect(host, port)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or str(error) or "no answer"
            entry.say(clock(), f"    cannot connect to {host_port(host, port)}: {why}")
            works = await self._test_internet(entry, clock)
            entry.say(clock(), f"    {led.unreached(internet_works=works)}")
            return Outcome.UNREACHED
        own, peer = (host_port(*name[:2]) for name in (sock.getsockname(), sock.getpeername()))
        entry.say(clock(), f"--> {own} connects to {peer}")

        async def fail() -> None:
            """Do what comes between a failure and the FIN."""
            self._failed_at = asyncio.get_running_loop().time()
            if not part.reached and beside.tests_after_handshake(self._settings.generation):
                await self._test_internet(entry, clock)
            await asyncio.sleep(LED_TIME)

        part = Part(
            self._script,
            acts=(self._show_session(entry, sock), *self._acts),
            session=self._session,
            parting=self._part,
            on_failure=fail,
        )
        connection = Connection(
            Role.DEVICE, self._settings, entropy=self._entropy.of(entry.number), seal=self._seal
        )
        try:
            await Player(connection, sock, part, clock, entry).play()
        finally:
            self._settings = replace(self._settings, claim_code=connection.claim_code)
            if part.reached:  # also when cancelled
                self.outcome = Outcome.KEPT if part.kept else Outcome.LOST
        if part.kept:
            return Outcome.KEPT
        if part.reached:
            entry.say(clock(), f"    {led.LOST}")
            return Outcome.LOST
        entry.say(clock(), f"    {led.failed(part.error, self._settings.generation)}")
        return Outcome.FAILED

    @property
    def _sent_key(self) -> bytes | None:
        return self._settings.key.spki if self._settings.traits.sends_key else None

    async def _test_internet(self, entry: Entry, clock: Clock) -> bool | None:
        """Test the internet, if asked to; None: was not."""
        self._failed_at = asyncio.get_running_loop().time()
        if not self._other_traffic:
            return None
        works = await beside.internet_works(self._settings.generation)
        entry.say(clock(), f"    internet test {'passed' if works else 'failed'}")
        return works

    def _show_session(self, entry: Entry, sock: socket.socket) -> Act:
        def show(_connection: Connection, now: float) -> list[Event]:
            generation = self._settings.generation
            if self._other_traffic and beside.announces_presence(generation):
                beside.announce(self._settings.device_id, sock.getsockname()[0])
            entry.say(now, f"    {led.in_session(safe_mode=self._settings.safe_mode)}")
            return []

        return show

    def _part(self, connection: Connection, now: float) -> list[Event]:
        """Say goodbye, if this firmware does."""
        if self._settings.traits.describes_itself:
            return connection.goodbye(now)
        return connection.close(now)


async def _connect(host: str, port: int) -> socket.socket:
    """Connect to the first address that answers, IPv4 first as firmware knows nothing else."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    refusal: OSError | None = None
    for family, kind, protocol, _, address in sorted(
        found, key=lambda info: info[0] != socket.AF_INET
    ):
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            refusal = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise refusal or OSError("no address")
