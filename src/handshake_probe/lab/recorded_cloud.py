"""A cloud that behaves as a recorded one did: with a fresh handshake, or byte for byte.

`recorded_fault` turns what a recorded cloud did into a `Fault` of our cloud: how long it let the
device wait each time, where and when it fell silent, closed or reset the connection. What no sound
cloud says (a portal's text, half a nonce) only `VerbatimCloud` can say again; no device gets past
its credentials, which were made for another nonce.
"""

from __future__ import annotations

import asyncio
import socket
import struct

from handshake_probe.lab.addresses import host_port
from handshake_probe.lab.faults import Fault
from handshake_probe.lab.journal import Entry, Journal
from handshake_probe.lab.play import unix_clock
from handshake_probe.lab.script import START, Cut, Delay, Ending, Script
from handshake_probe.packets.recorded_talk import RecordedTalk, Spoken
from handshake_probe.packets.units import Direction
from handshake_probe.protocol.layouts import CREDENTIALS_SIZE, IDENTITY_SIZE, NONCE_SIZE
from handshake_probe.protocol.state import Phase, Role

MAX_BYTES = 65_536  # of the recorded cloud's bytes, per connection
_NOTABLE = 0.5  # seconds of a wait that is worth telling; shorter ones are played as well
_BRIEF = 2.0  # seconds; a session closed so soon was never one
_LONGEST = 60.0  # seconds to wait for a device that says nothing
_AT_ONCE = 16  # connections; more wait to be accepted
_READ = 4096
_NO_LINGER = struct.pack("ii", 1, 0)  # closing then sends a RST
_MOMENTS = {
    START: "it accepted",
    "nonce_received": "its nonce",
    "identity_test": "the identity",
    "credentials_received": "its credentials",
    "handshake_complete": "both Hellos",
}
_TURNS = {  # bytes that the cloud has said and heard by then
    START: (0, 0),
    "nonce_received": (NONCE_SIZE, 0),
    "identity_test": (NONCE_SIZE, IDENTITY_SIZE),
    "credentials_received": (NONCE_SIZE + CREDENTIALS_SIZE, IDENTITY_SIZE),
    "handshake_complete": (NONCE_SIZE + CREDENTIALS_SIZE + 1, IDENTITY_SIZE + 1),
}
_D, _C = Direction.DEVICE_TO_CLOUD, Direction.CLOUD_TO_DEVICE
_WAITS = (Phase.IDLE, Phase.HANDSHAKE, Phase.HELLO)  # by the cloud's turn
_AWAITED = {
    Phase.IDLE: "its nonce",
    Phase.HANDSHAKE: "its credentials",
    Phase.HELLO: "its Hello",
}
_ENDS = {
    Ending.CLOSE: "closes",
    Ending.RESET: "resets the connection",
    Ending.SILENCE: "falls silent",
}


def recorded_fault(talk: RecordedTalk) -> Fault | None:
    """What our cloud must do wrong to be like the recorded one; None: nothing ours could do."""
    said, heard = sum(talk.sizes(_C)), sum(talk.sizes(_D))
    greeting = 0
    for item in talk.spoken:
        if item.direction is _D:
            break
        greeting += item.size
    whole = NONCE_SIZE + CREDENTIALS_SIZE
    if greeting not in (0, NONCE_SIZE) or NONCE_SIZE < said < whole:
        return None
    closes = talk.ended_by is _C
    ending = Ending.SILENCE
    if closes:
        ending = Ending.RESET if talk.ended_with == "rst" else Ending.CLOSE
    cut = None
    if said == 0:
        cut = Cut(START, ending)
    elif said == NONCE_SIZE and heard >= IDENTITY_SIZE:
        cut = Cut("identity_test", ending)
    elif said == NONCE_SIZE and closes:
        cut = Cut("nonce_received", ending, sends=True)
    elif said == whole and (closes or heard > IDENTITY_SIZE):
        cut = Cut("credentials_received", ending, sends=True)
    elif said > whole and closes and _since(talk, "credentials_received") < _BRIEF:
        cut = Cut("handshake_complete", ending, sends=True)
    if cut is not None and closes:
        cut = cut._replace(after=_since(talk, cut.at))
    delays = _delays(talk)
    return Fault(
        name="recorded",
        side=Role.CLOUD,
        line=_told(cut, delays),
        script=Script(cut=cut, delays=delays),
        settings={"describes": ()} if cut is not None else {},
    )


def _since(talk: RecordedTalk, moment: str) -> float:
    """Seconds from when the cloud was there to its end; what the device said then did not count."""
    said, heard = _TURNS[moment]
    totals = {_C: 0, _D: 0}
    seconds = 0.0
    for item in talk.spoken:
        if totals[_C] >= said and totals[_D] >= heard:
            seconds += item.pause
        totals[item.direction] += item.size
    return seconds + talk.ending_pause


def _delays(talk: RecordedTalk) -> tuple[Delay, ...]:
    """The cloud's waits in its handshake, the network's share of them included."""
    waits: list[float] = []
    before: Direction | None = None
    for item in talk.spoken:
        if item.direction is _C and before is not _C:
            waits.append(item.pause)
        before = item.direction
    return tuple(map(Delay, _WAITS, waits))


def _told(cut: Cut | None, delays: tuple[Delay, ...]) -> str:
    parts = [
        f"takes {delay.seconds:.1f} s for {_AWAITED[delay.phase]}"
        for delay in delays
        if delay.seconds >= _NOTABLE
    ]
    if cut is not None:
        later = f"{cut.after:.1f} s " if cut.after >= _NOTABLE else ""
        parts.append(f"{_ENDS[cut.ending]} {later}after {_MOMENTS[cut.at]}")
    return "as recorded: " + (", ".join(parts) or "does all of it right")


class VerbatimCloud:
    """Says to every device what the recorded cloud said, each time after as many bytes of it."""

    def __init__(self, talk: RecordedTalk, journal: Journal) -> None:
        self.served = 0
        """Connections so far."""
        self._talk = talk
        self._script = talk.sayable(_C, MAX_BYTES)
        self._journal = journal

    async def serve(self, listener: socket.socket) -> None:
        """Serve until cancelled; open connections are then closed."""
        loop = asyncio.get_running_loop()
        free = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while True:
                await free.acquire()
                sock, address = await loop.sock_accept(listener)
                serving = group.create_task(self._serve(sock, host_port(*address[:2])))
                serving.add_done_callback(lambda _task: free.release())

    async def _serve(self, sock: socket.socket, peer: str) -> None:
        self.served += 1
        clock = unix_clock()
        entry = self._journal.open(peer, clock())
        entry.say(clock(), f"--> {peer} connects")
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with sock:
            try:
                await _Turn(sock, entry).play(self._talk, self._script)
            except TimeoutError:  # an OSError, too
                entry.say(clock(), "    done: nothing came any more")
            except OSError:
                entry.say(clock(), "--> resets the connection")


class _Turn:
    """One device."""

    def __init__(self, sock: socket.socket, entry: Entry) -> None:
        self._sock = sock
        self._entry = entry
        self._clock = unix_clock()
        self._heard = 0
        self._over = False  # the device has closed

    async def play(self, talk: RecordedTalk, script: tuple[Spoken, ...]) -> None:
        loop = asyncio.get_running_loop()
        wanted = 0
        for item in script:
            if item.direction is _D:
                wanted += item.size
                continue
            await self._hear(wanted)
            if self._over:
                break
            await asyncio.sleep(item.pause)
            await loop.sock_sendall(self._sock, item.data or b"")
            self._entry.say(self._clock(), f"<-- {item.size} recorded bytes")
        if talk.ended_by is _C and not self._over:
            await self._hear(sum(talk.sizes(_D)))
            await asyncio.sleep(talk.ending_pause)
            if talk.ended_with == "rst":
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._entry.say(self._clock(), f"<-- ends it as recorded: {talk.ended_with}")
            return
        await self._hear(None)

    async def _hear(self, wanted: int | None) -> None:
        """Wait for so many bytes in all; None: for the end."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_LONGEST):
            while not self._over and (wanted is None or self._heard < wanted):
                data = await loop.sock_recv(self._sock, _READ)
                self._heard += len(data)
                self._over = not data
                told = f"{len(data)} bytes" if data else "closes"
                self._entry.say(self._clock(), f"--> {told}")
