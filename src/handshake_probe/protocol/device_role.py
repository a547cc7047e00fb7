"""The device's side in its session: what its firmware does, generation by generation."""

from __future__ import annotations

from collections.abc import Callable

from handshake_probe.errors import LocalProtocolError
from handshake_probe.protocol import requests
from handshake_probe.protocol.coap import CoapMessage, Option, Type
from handshake_probe.protocol.device_errors import DeviceError
from handshake_probe.protocol.device_handshake import DeviceHandshake
from handshake_probe.protocol.kinds import Kind
from handshake_probe.protocol.messages import Meaning
from handshake_probe.protocol.opening import describe, opening
from handshake_probe.protocol.played import when
from handshake_probe.protocol.played_events import (
    CloseReason,
    FunctionCalled,
    HandshakeComplete,
    Timer,
)
from handshake_probe.protocol.seal import Entropy, Seal
from handshake_probe.protocol.settings import DeviceSettings
from handshake_probe.protocol.state import Phase
from handshake_probe.protocol.system_events import event_name

_CLAIM = b"spark/device/claim/"
_UNCLASSIFIABLE = (Kind.UNKNOWN, Kind.MALFORMED, Kind.RESET)
_FAILS = {
    Timer.NONCE: DeviceError.LIGHTSSL_HANDSHAKE_NONCE,
    Timer.CREDENTIALS: DeviceError.LIGHTSSL_HANDSHAKE_RECV_KEY,
    Timer.RECORD_BODY: DeviceError.LIGHTSSL_BLOCKING_RECEIVE,
    Timer.HELLO: DeviceError.MESSAGE_TIMEOUT,
    Timer.PONG: DeviceError.PING_TIMEOUT,
}


class DeviceSide(DeviceHandshake):
    """A device."""

    def __init__(self, settings: DeviceSettings, entropy: Entropy, seal: Seal) -> None:
        super().__init__(settings, entropy, seal)
        self.claim_code = settings.claim_code
        """Empty once the cloud has said anything about claiming; firmware then forgets it."""
        self._calls: set[bytes] = set()  # tokens of function calls not answered yet
        self._handlers: dict[str, Callable[[CoapMessage, float], None]] = {
            Kind.HELLO: self._take_hello,
            Kind.PING: self._acknowledge,
            Kind.DESCRIBE_REQUEST: self._answer_describe,
            Kind.FUNCTION_CALL: self._take_call,
            Kind.VARIABLE_REQUEST: self._answer_variable,
            Kind.EVENT: self._take_event,
            Kind.CLAIM_CONFIRMED: self._take_event,
            Kind.RESET_COMMAND: self._take_event,
            Kind.SIGNAL: lambda message, now: self._reply(message, requests.CHANGED, now),
            Kind.KEY_CHANGE: self._acknowledge,
            Kind.UPDATE_BEGIN: lambda message, now: self._reply(
                message, self._traits.refuses_update_with, now
            ),
        }

    def ping(self, now: float) -> None:
        """Ping, and expect any message within the ping time-out."""
        self.say(now, requests.ping())
        self.timers.cancel(Timer.PING)
        self.timers.arm(Timer.PONG, now, self.settings.ping_timeout)

    def answer_function(self, now: float, token: bytes, value: int) -> None:
        """Return a function's value; raises LocalProtocolError for a call that is not open."""
        if token not in self._calls:
            raise LocalProtocolError(f"no function call with token {token.hex()} is open")
        if not -(1 << 31) <= value < 1 << 31:
            raise LocalProtocolError("a function returns 32 bits")
        self.say(now, requests.function_return(token, value))
        self._calls.remove(token)

    def goodbye(self, now: float, cloud_reason: int) -> None:
        """Say goodbye and half-close; firmware before 2.0 cannot."""
        if not self._traits.describes_itself:
            raise LocalProtocolError(f"firmware {self.settings.generation} says no goodbye")
        if not 0 < cloud_reason < 0x80:
            raise LocalProtocolError("a reason is a number from 1 to 127")
        self.say(now, requests.goodbye(cloud_reason))
        self.phase = Phase.CLOSING
        self.ends_output = True
        self.timers.clear()
        self.timers.arm(Timer.GOODBYE, now, self.settings.goodbye_wait)

    def _take_message(self, message: CoapMessage | None, meaning: Meaning, now: float) -> None:
        if message is None or meaning.kind in _UNCLASSIFIABLE:
            self._take_unclassifiable(meaning.kind, now)
            return
        if self.phase is Phase.SESSION:
            self._expect_silence(now)
        handler = self._handlers.get(meaning.kind)
        if handler is not None:
            handler(message, now)

    def _expect_silence(self, now: float) -> None:
        """A message came: the next ping is due after an interval without any."""
        self.timers.cancel(Timer.PONG)
        self.timers.arm(Timer.PING, now, self.settings.ping_interval)

    def _take_hello(self, message: CoapMessage, now: float) -> None:
        """Take any POST to h for the cloud's Hello, and open the session."""
        if self.phase is not Phase.HELLO:
            return
        self.timers.cancel(Timer.HELLO)
        self.phase = Phase.SESSION
        self.events.append(HandshakeComplete(**when(now), device_id=self.settings.device_id))
        self._expect_silence(now)
        if not self.settings.announces:
            return
        for message, takes_token, bare_marker in opening(self.settings, self.claim_code):
            if takes_token:
                self.ask(now, message._replace(token=self.next_token()))
            elif bare_marker:
                self.say(now, message, trailer=requests.BARE_MARKER)
            else:
                self.say(now, message)

    def _answer_describe(self, message: CoapMessage, now: float) -> None:
        queries = message.values(Option.URI_QUERY)
        flags = queries[0][0] if queries and queries[0] else None
        text = describe(self.settings, flags)
        if text is None:
            self._reply(message, requests.BAD_REQUEST, now)
        elif self._traits.separate_answers:
            self._acknowledge(message, now)
            self.say(now, requests.content(message.token, text, confirmable=True))
        else:
            self._reply(message, requests.CONTENT, now, text)

    def _take_call(self, message: CoapMessage, now: float) -> None:
        name = event_name(message).decode("utf-8", "replace")
        if self._lacks_token(message, now):
            return
        if name not in self.settings.functions:
            self._reply(message, requests.BAD_REQUEST, now)
            return
        self._acknowledge(message, now)
        self._calls.add(message.token)
        argument = b"&".join(message.values(Option.URI_QUERY))
        self.events.append(
            FunctionCalled(**when(now), function=name, argument=argument, token=message.token)
        )

    def _answer_variable(self, message: CoapMessage, now: float) -> None:
        value = self.settings.variables.get(event_name(message).decode("utf-8", "replace"))
        if self._lacks_token(message, now):
            return
        if value is None:
            self._reply(message, requests.NOT_FOUND, now)
        elif self._traits.separate_answers:
            self._acknowledge(message, now)
            self.say(now, requests.content(message.token, value, confirmable=False))
        else:
            self._reply(message, requests.CONTENT, now, value)

    def _lacks_token(self, message: CoapMessage, now: float) -> bool:
        lacks = self._traits.needs_token and len(message.token) != 1
        if lacks:
            error = DeviceError.MISSING_REQUEST_TOKEN
            self._fail("a token of 1 byte", f"{len(message.token)} bytes", error, now)
        return lacks

    def _take_event(self, message: CoapMessage, now: float) -> None:
        if message.type is Type.CON:
            self._acknowledge(message, now)
        if event_name(message).startswith(_CLAIM):
            self.claim_code = b""

    def _acknowledge(self, message: CoapMessage, now: float) -> None:
        self.say(now, requests.acknowledge(message), answer=True)

    def _reply(self, message: CoapMessage, code: int, now: float, payload: bytes = b"") -> None:
        self.say(now, requests.reply(message, code, payload), answer=True)

    def _timed_out(self, timer: Timer, now: float) -> None:
        if timer is Timer.PING:
            self.ping(now)
        elif timer is Timer.GOODBYE:
            self.close(now, CloseReason.GOODBYE)
        else:
            if timer in (Timer.NONCE, Timer.CREDENTIALS):
                self._say_short(now)
            self._give_up(timer, now, _FAILS[timer])
