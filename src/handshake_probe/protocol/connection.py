"""A side of a connection that we play: bytes and time in, bytes and events out.

No I/O, no clock, no randomness: the caller hands in what arrived, what time it is and where
random bytes come from, so the same calls give the same bytes. What the peer does wrong is an
event; what our own side does wrong raises LocalProtocolError.

    connection = Connection(Role.DEVICE, settings, entropy=os.urandom)
    connection.start(now)                          # the transport is connected
    events = connection.receive_data(data, now)    # the four verbs, again and again
    transport.write(connection.data_to_send())     # after every call
    deadline = connection.timer()                  # when to call handle_timer

After `Closed`, send what is left and close the transport. `sends_nothing_more` says when to
half-close it. Time is in seconds; a cloud's answers to "what time is it" take it as Unix time.
"""

from __future__ import annotations

from handshake_probe.errors import LocalProtocolError
from handshake_probe.protocol import requests
from handshake_probe.protocol.cloud_role import CloudSide
from handshake_probe.protocol.device_role import DeviceSide
from handshake_probe.protocol.events import Event
from handshake_probe.protocol.hello import CLOUD_REASONS
from handshake_probe.protocol.played import PlayedSide
from handshake_probe.protocol.played_events import CloseReason
from handshake_probe.protocol.seal import Entropy, Seal
from handshake_probe.protocol.settings import CloudSettings, DeviceSettings
from handshake_probe.protocol.state import Action, Phase, Role, is_legal

_USER = next(number for number, word in CLOUD_REASONS.items() if word == "user")
_TTL_MAX = 1 << 24


class Connection:
    """One side of one connection.

    Every verb and action returns the events it caused, in order. Sent messages and blocks are
    events too, the same as a `Transcript` of the connection tells.

    Args:
        role: The side to play.
        settings: `DeviceSettings` or `CloudSettings`, as the role asks.
        entropy: Returns as many random bytes as it is asked for.
        seal: How what is sent is made; a laboratory's makes it wrong.

    Raises:
        LocalProtocolError: The settings are for the other role.
    """

    def __init__(
        self,
        role: Role,
        settings: DeviceSettings | CloudSettings,
        *,
        entropy: Entropy,
        seal: Seal | None = None,
    ) -> None:
        self.role = role
        self._device: DeviceSide | None = None
        self._cloud: CloudSide | None = None
        self._side: PlayedSide
        seal = seal or Seal()
        if role is Role.DEVICE and isinstance(settings, DeviceSettings):
            self._side = self._device = DeviceSide(settings, entropy, seal)
        elif role is Role.CLOUD and isinstance(settings, CloudSettings) and settings.key.private:
            self._side = self._cloud = CloudSide(settings, settings.key.private, entropy, seal)
        else:
            raise LocalProtocolError(f"these are no settings of a {role}")

    @property
    def phase(self) -> Phase:
        """How far this side is."""
        return self._side.phase

    @property
    def sends_nothing_more(self) -> bool:
        """True when the transport's sending half is to be closed once all is sent."""
        return self._side.ends_output

    @property
    def claim_code(self) -> bytes:
        """The claim code a device still holds; empty when it has none, and for a cloud."""
        return self._device.claim_code if self._device else b""

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Take bytes the peer sent; after the end of this side they are dropped.

        Raises LocalProtocolError before `start`, and when the register's key cannot be used.
        """
        self._need_start()
        self._side.receive(data, now)
        return self._events()

    def receive_eof(self, now: float, *, reset: bool = False) -> list[Event]:
        """Take the end of the peer's bytes: a FIN, or with `reset` a RST."""
        self._need_start()
        self._side.receive_eof(now, "rst" if reset else "fin")
        return self._events()

    def data_to_send(self) -> bytes:
        """Return, once, the bytes to be sent; a record is to be written in one call."""
        data = bytes(self._side.output)
        self._side.output.clear()
        return data

    def timer(self) -> float | None:
        """Return when `handle_timer` wants to be called; None: not before anything else happens."""
        first = self._side.timers.first()
        return None if first is None else first[1]

    def handle_timer(self, now: float) -> list[Event]:
        """Act on all deadlines that are over; called too early it does nothing."""
        self._side.handle_timer(now)
        return self._events()

    def start(self, now: float) -> list[Event]:
        """Begin: the transport is connected."""
        self._need(Action.START)
        self._side.start(now)
        return self._events()

    def send(self, now: float, plaintext: bytes) -> list[Event]:
        """Send bytes as a record as they are, numbers and all: for replays and faults."""
        self._need(Action.SEND)
        self._side.send_plaintext(now, plaintext)
        return self._events()

    def ping(self, now: float) -> list[Event]:
        """Send a ping; a device then expects any message within its time-out."""
        self._need(Action.PING)
        if self._device:
            self._device.ping(now)
        else:
            self._side.say(now, requests.ping())
        return self._events()

    def publish(
        self,
        now: float,
        name: str,
        data: bytes = b"",
        *,
        public: bool = False,
        acknowledged: bool = False,
        ttl: int = 60,
    ) -> list[Event]:
        """Publish an event (device) or deliver one (cloud, which says no `ttl`)."""
        self._need(Action.PUBLISH)
        if not 0 <= ttl < _TTL_MAX:
            raise LocalProtocolError("a time to live has 24 bits")
        if self._device:
            message = requests.device_event(
                name.encode(), data, public=public, acknowledged=acknowledged, ttl=ttl
            )
        else:
            message = requests.cloud_event(
                name.encode(), data, public=public, acknowledged=acknowledged
            )
        self._side.say(now, message)
        return self._events()

    def subscribe(self, now: float, prefix: str, *, own_devices: bool = True) -> list[Event]:
        """Subscribe a device to events."""
        self._need(Action.SUBSCRIBE)
        self._side.say(now, requests.subscribe(prefix.encode(), own_devices=own_devices))
        return self._events()

    def request_time(self, now: float) -> list[Event]:
        """Ask the cloud what time it is."""
        self._need(Action.REQUEST_TIME)
        self._side.ask(now, requests.time_request(self._side.next_token()))
        return self._events()

    def answer_function(self, now: float, token: bytes, value: int) -> list[Event]:
        """Answer a `FunctionCalled`; raises LocalProtocolError when no such call is open."""
        self._need(Action.ANSWER_FUNCTION)
        if self._device:
            self._device.answer_function(now, token, value)
        return self._events()

    def goodbye(self, now: float, cloud_reason: int = _USER) -> list[Event]:
        """Say goodbye and half-close; `Closed` follows when the cloud closes, or after 5 s.

        Raises LocalProtocolError for firmware before 2.0, which closes without a word.
        """
        self._need(Action.GOODBYE)
        if self._device:
            self._device.goodbye(now, cloud_reason)
        return self._events()

    def call_function(self, now: float, name: str, argument: bytes = b"") -> list[Event]:
        """Call a device's function; the message's details hold the token."""
        self._need(Action.CALL_FUNCTION)
        token = self._side.next_token()
        self._side.ask(now, requests.function_call(token, name.encode(), argument))
        return self._events()

    def request_variable(self, now: float, name: str) -> list[Event]:
        """Ask for a device's variable."""
        self._need(Action.REQUEST_VARIABLE)
        self._side.ask(now, requests.variable_request(self._side.next_token(), name.encode()))
        return self._events()

    def describe(self, now: float, flags: int | None = None) -> list[Event]:
        """Ask a device to describe itself: 1 system, 2 application, None without a query."""
        self._need(Action.DESCRIBE)
        if flags is not None and not 0 <= flags <= 0xFF:
            raise LocalProtocolError("flags have 8 bits")
        if self._cloud:
            self._cloud.describe(now, flags)
        return self._events()

    def signal(self, now: float, *, on: bool) -> list[Event]:
        """Make a device's LED show a rainbow, or stop it."""
        self._need(Action.SIGNAL)
        self._side.ask(now, requests.signal(self._side.next_token(), on=on))
        return self._events()

    def close(self, now: float) -> list[Event]:
        """End it without a word."""
        self._need(Action.CLOSE)
        self._side.close(now, CloseReason.LOCAL)
        return self._events()

    def _events(self) -> list[Event]:
        events, self._side.events = self._side.events, []
        return events

    def _need(self, action: Action) -> None:
        if not is_legal(self.role, self.phase, action):
            raise LocalProtocolError(f"a {self.role} cannot {action} in phase {self.phase}")

    def _need_start(self) -> None:
        if self.phase is Phase.IDLE:
            raise LocalProtocolError("nothing can arrive before start")
