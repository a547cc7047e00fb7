"""A cloud on a TCP port: any number of devices, each told in the journal."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace

from handshake_probe.errors import HandshakeProbeError
from handshake_probe.keys.keyring import CloudKey, RegisteredKey
from handshake_probe.lab.addresses import host_port
from handshake_probe.lab.entropy import EntropySource
from handshake_probe.lab.faults import SOUND, Fault
from handshake_probe.lab.journal import Journal
from handshake_probe.lab.play import Act, Part, Player, unix_clock
from handshake_probe.protocol.connection import Connection
from handshake_probe.protocol.events import Event
from handshake_probe.protocol.kinds import Kind
from handshake_probe.protocol.requests import APPLICATION, SYSTEM
from handshake_probe.protocol.settings import CloudSettings, Manner
from handshake_probe.protocol.state import Role

_MOST = 256  # connections at a time; more wait to be accepted
_CLAIM_ANSWER = "spark/device/claim/confirmed"  # the firmware looks at the beginning only


def cloud_settings(
    key: CloudKey, register: Callable[[str], RegisteredKey | None], manner: Manner
) -> CloudSettings:
    """Return settings with which every generation of firmware gets along.

    The one difference to the servers themselves: who asks for descriptions says for which half.
    """
    describes = (SYSTEM, APPLICATION) if manner is Manner.COMPARES else None
    return CloudSettings(key=key, register=register, manner=manner, describes=describes)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes any. Raises HandshakeProbeError when it cannot."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise HandshakeProbeError(f"cannot listen on {host_port(host, port)}: {why}") from error
    listener.setblocking(False)
    return listener


class Cloud:
    """A cloud.

    Args:
        settings: What it is, see `cloud_settings`.
        journal: Where its connections are told.
        fault: What it does wrong.
        acts: What it asks of every device once the handshake is complete.
        confirms_claims: Confirms every claim code that a device publishes.
        seed: See `EntropySource`.
        complain: Takes a line about a key on file that cannot be used.
    """

    def __init__(
        self,
        settings: CloudSettings,
        journal: Journal,
        *,
        fault: Fault = SOUND[Role.CLOUD],
        acts: tuple[Act, ...] = (),
        confirms_claims: bool = False,
        seed: int | None = None,
        complain: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.served = 0
        """Connections so far."""
        self._settings = replace(settings, **fault.settings)
        self._journal = journal
        self._script = fault.script
        self._seal = fault.seal()
        self._acts = fault.acts + acts
        self._reactions: dict[str, Act] = (
            {Kind.CLAIM_CODE: _confirm_claim} if confirms_claims else {}
        )
        self._entropy = EntropySource(seed, "cloud")
        self._complain = complain

    async def serve(self, listener: socket.socket) -> None:
        """Serve until cancelled; open connections are then closed. Raises what the journal does."""
        loop = asyncio.get_running_loop()
        free = asyncio.Semaphore(_MOST)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await free.acquire()
                    sock, address = await loop.sock_accept(listener)
                    serving = group.create_task(self._serve(sock, host_port(*address[:2])))
                    serving.add_done_callback(lambda _task: free.release())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _serve(self, sock: socket.socket, peer: str) -> None:
        self.served += 1
        clock = unix_clock()
        entry = self._journal.open(peer, clock())
        connection = Connection(
            Role.CLOUD, self._settings, entropy=self._entropy.of(entry.number), seal=self._seal
        )
        part = Part(self._script, acts=self._acts, reactions=self._reactions)
        entry.say(clock(), f"--> {peer} connects")
        try:
            await Player(connection, sock, part, clock, entry).play()
        except HandshakeProbeError as error:
            self._complain(f"[{entry.number}] {error}")


def _confirm_claim(connection: Connection, now: float) -> list[Event]:
    return connection.publish(now, _CLAIM_ANSWER)
