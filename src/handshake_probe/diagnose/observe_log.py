"""From the lines of a serial log to an observation: which attempts, how far, how they ended."""

from __future__ import annotations

from dataclasses import dataclass

from handshake_probe.model.symptoms import AttemptEnd, DeviceLogSeen, LogAttempt
from handshake_probe.model.vocabulary import Stage
from handshake_probe.protocol.device_errors import DeviceError, Numbering, error_of, numbering_of
from handshake_probe.protocol.device_log import Said, is_classic, is_lightssl, say, take_apart
from handshake_probe.protocol.device_os import NUMBERED_ERRORS, SYSTEM_ERRORS, device_os

ATTEMPTS_KEPT = 200  # in one document, the last ones
_STEPS = {
    Said.CONNECTING: Stage.NONE,
    Said.RESOLVED: Stage.DNS,
    Said.SOCKETED: Stage.TCP_ESTABLISHED,
    Said.STARTED: Stage.TCP_ESTABLISHED,
    Said.NONCE: Stage.NONCE_RECEIVED,
    Said.IDENTITY: Stage.IDENTITY_SENT,
    Said.CREDENTIALS: Stage.CREDENTIALS_RECEIVED,
    Said.HELLO: Stage.HELLO_SENT,
    Said.COMPLETED: Stage.SESSION,
}
_ENDS = {
    Said.NOT_RESOLVED: (AttemptEnd.NOT_RESOLVED, Stage.DNS),
    Said.NO_NONCE: (AttemptEnd.NO_NONCE, Stage.TCP_ESTABLISHED),
    Said.NOT_ENCRYPTED: (AttemptEnd.NO_IDENTITY, Stage.NONCE_RECEIVED),
    Said.NO_CREDENTIALS: (AttemptEnd.NO_CREDENTIALS, Stage.IDENTITY_SENT),
    Said.NOT_DECRYPTED: (AttemptEnd.DECRYPTION_FAILED, Stage.CREDENTIALS_RECEIVED),
    Said.NOT_SIGNED: (AttemptEnd.SIGNATURE_REFUSED, Stage.CREDENTIALS_RECEIVED),
    Said.NO_HELLO: (AttemptEnd.NO_SERVER_HELLO, Stage.HELLO_SENT),
    Said.CONNECTED: (AttemptEnd.CONNECTED, Stage.SESSION),
}
_BY_ERROR = {
    DeviceError.LIGHTSSL_HANDSHAKE_NONCE: _ENDS[Said.NO_NONCE],
    DeviceError.ENCRYPTION_ERROR: _ENDS[Said.NOT_ENCRYPTED],
    DeviceError.LIGHTSSL_HANDSHAKE_RECV_KEY: _ENDS[Said.NO_CREDENTIALS],
    DeviceError.DECRYPTION_ERROR: _ENDS[Said.NOT_DECRYPTED],
    DeviceError.AUTHENTICATION_ERROR: _ENDS[Said.NOT_SIGNED],
    DeviceError.MESSAGE_TIMEOUT: _ENDS[Said.NO_HELLO],
}
# System errors that one error of a handshake alone is logged as.
_BY_SYSTEM_ERROR = {-130: _ENDS[Said.NOT_SIGNED], -160: _ENDS[Said.NO_HELLO]}
# With any other number the last step that was logged tells what did not come.
_BY_STAGE = {
    Stage.TCP_ESTABLISHED: _ENDS[Said.NO_NONCE],
    Stage.IDENTITY_SENT: _ENDS[Said.NO_CREDENTIALS],
}
# A protocol's own error (-240) at a step says more than one of input and output.
_BY_STAGE_AND_CODE = {
    (Stage.NONCE_RECEIVED, -240): _ENDS[Said.NOT_ENCRYPTED],
    (Stage.CREDENTIALS_RECEIVED, -240): _ENDS[Said.NOT_DECRYPTED],
}
_CLASSIC = {1: _ENDS[Said.NOT_DECRYPTED], 2: _ENDS[Said.NOT_SIGNED]}  # 0.4.0
_NOTES = frozenset(
    {
        Said.DNS_FAILED,
        Said.PORT_OPEN,
        Said.PORT_CLOSED,
        Said.PING_FAILED,
        Said.DFU_SUFFIX,
        Said.NOT_READY,
        Said.NEW_KEY,
        Said.TOOL_REFUSED,
        Said.TINKER,
        Said.ADDRESS_DEFAULTED,
        Said.DTLS,
        Said.PANIC,
    }
)


@dataclass(slots=True)
class _Attempt:
    line: int
    last_line: int
    time: float | None
    uptime: float | None
    stage: Stage = Stage.NONE
    end: AttemptEnd | None = None
    cloud: str | None = None
    code: int | None = None
    error: int | None = None
    internet: bool | None = None
    stepped: float | None = None  # when the last step was logged
    waited: float | None = None
    detailed: bool = False  # the steps of the handshake itself are logged

    def written(self) -> LogAttempt:
        return LogAttempt(
            line=self.line,
            last_line=self.last_line,
            end=self.end or AttemptEnd.UNFINISHED,
            stage=self.stage,
            time=self.time,
            uptime=self.uptime,
            cloud=self.cloud,
            code=self.code,
            error=self.error,
            internet=self.internet,
            waited=self.waited,
        )


class LogReader:
    """Takes lines in order; `observation` is what they say in all."""

    def __init__(self) -> None:
        self._attempts: list[_Attempt] = []
        self._total = 0
        self._notes: dict[str, int] = {}
        self._facts: dict[Said, str] = {}
        self._classic = False
        self._lightssl = False
        self._uptimes = False
        self._times: list[float] = []  # the earliest and the latest
        self._numberings: set[Numbering] = set()

    def feed(self, number: int, time: float | None, text: str) -> None:
        """Take one line; what it does not know it passes over."""
        line = take_apart(text)
        told = say(line)
        self._classic |= is_classic(line.category)
        self._lightssl |= is_lightssl(line.category)
        self._uptimes |= line.uptime is not None
        if time is not None:
            self._times = [min([time, *self._times]), max([time, *self._times])]
        if told is None:
            return
        said, value = told
        if said in _NOTES:
            self._notes.setdefault(str(said), number)
        elif said in (Said.DEVICE_ID, Said.ADDRESS, Said.VERSION, Said.PLATFORM):
            self._facts.setdefault(said, value.strip().lower())
        else:
            self._step(said, value, number, time, line.uptime)

    def _step(
        self, said: Said, value: str, number: int, time: float | None, uptime: float | None
    ) -> None:
        current = self._attempts[-1] if self._attempts else None
        if said in (Said.INTERNET, Said.NO_INTERNET, Said.DISCONNECTING):
            if current is not None and said is not Said.DISCONNECTING:
                current.internet = said is Said.INTERNET
                current.last_line = number
            return
        if current is None or _begins_anew(current, said, value, number):
            current = _Attempt(number, number, time, uptime)
            self._attempts.append(current)
            self._total += 1
            if len(self._attempts) > ATTEMPTS_KEPT:
                del self._attempts[0]
        now = uptime if uptime is not None else time
        before, current.last_line = current.stage, number
        if said in _STEPS:
            _reach(current, _STEPS[said])
            current.cloud = value or current.cloud
            current.detailed |= said in (Said.STARTED, Said.NONCE, Said.IDENTITY)
            current.stepped = now
        elif said in _ENDS:
            _finish(current, *_ENDS[said])
        elif said is Said.SOCKET_FAILED:
            current.code = int(value)
            if current.end is None:
                _finish(current, AttemptEnd.CONNECT_FAILED, Stage.TCP_SYN)
        elif said is Said.LOST:
            current.error = int(value)
            _finish(current, AttemptEnd.LOST, Stage.SESSION, over=True)
        else:
            self._failed(current, said, int(value))
        if current.stage is before and current.stepped is not None and current.waited is None:
            over = current.end not in (None, AttemptEnd.CONNECTED)
            if over and now is not None and now >= current.stepped:
                current.waited = round(now - current.stepped, 3)

    def _failed(self, attempt: _Attempt, said: Said, code: int) -> None:
        """A handshake that failed with a number."""
        numbering = numbering_of(code)
        if said is Said.ERROR:
            attempt.error = code
        else:
            attempt.code = code
            self._numberings.add(numbering)
            if numbering is Numbering.PROTOCOL and not self._classic:
                attempt.error = code
        if attempt.end is not None and attempt.end is not AttemptEnd.HANDSHAKE_FAILED:
            return
        end = _BY_SYSTEM_ERROR.get(code)
        error = error_of(code)
        if error in _BY_ERROR:
            end = _BY_ERROR[error]
        elif self._classic and attempt.stage in (Stage.NONE, Stage.CREDENTIALS_RECEIVED):
            end = _CLASSIC.get(code)
        if end is None and attempt.detailed:
            end = _BY_STAGE_AND_CODE.get((attempt.stage, code)) or _BY_STAGE.get(attempt.stage)
        _finish(attempt, *(end or (AttemptEnd.HANDSHAKE_FAILED, Stage.TCP_ESTABLISHED)), over=True)

    def observation(
        self, observation_id: str, *, path: str, sha256: str, lines: int, clock: str
    ) -> DeviceLogSeen:
        """What the lines said; `clock` is that of the stamps before them."""
        version = device_os(self._facts.get(Said.VERSION, ""))
        at_least, below = self._version_shown()
        return DeviceLogSeen(
            id=observation_id,
            path=path,
            sha256=sha256,
            lines=lines,
            clock=clock if clock != "none" else "uptime" if self._uptimes else "none",
            first=min(self._times, default=None),
            last=max(self._times, default=None),
            device_os=str(version) if version else None,
            at_least=at_least,
            below=below,
            platform=self._facts.get(Said.PLATFORM),
            device_id=self._facts.get(Said.DEVICE_ID),
            address=self._facts.get(Said.ADDRESS),
            numbering=next(iter(self._numberings)) if len(self._numberings) == 1 else None,
            attempts=[attempt.written() for attempt in self._attempts],
            attempts_total=self._total,
            notes=self._notes,
        )

    def _version_shown(self) -> tuple[str | None, str | None]:
        """Bounds on Device OS that the form of the log itself shows."""
        if Numbering.SYSTEM in self._numberings:
            return str(SYSTEM_ERRORS), None
        below = str(SYSTEM_ERRORS) if Numbering.PROTOCOL in self._numberings else None
        return (str(NUMBERED_ERRORS) if self._lightssl else None), below


def _begins_anew(current: _Attempt, said: Said, value: str, number: int) -> bool:
    """Whether a line belongs to the next attempt; some builds print each line twice."""
    if said is Said.CONNECTING:
        return current.stage is not Stage.NONE or current.end is not None
    if said in (Said.FAILED, Said.SOCKET_FAILED):
        repeated = current.code is not None and current.code == int(value)
        if repeated and number == current.last_line + 1:
            return False
        return current.code is not None or current.end is AttemptEnd.CONNECTED
    return current.end is not None and said in _STEPS and said is not Said.RESOLVED


def _reach(attempt: _Attempt, stage: Stage) -> None:
    if stage.order > attempt.stage.order:
        attempt.stage = stage


def _finish(attempt: _Attempt, end: AttemptEnd, stage: Stage, *, over: bool = False) -> None:
    if attempt.end is None or over:
        attempt.end = end
        _reach(attempt, stage)
