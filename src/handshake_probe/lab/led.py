"""How firmware words what happened: its log and its LED (Device OS, measured and read)."""

from __future__ import annotations

from handshake_probe.protocol.device_errors import ERRORS, DeviceError
from handshake_probe.protocol.settings import Generation

# Up to 1.5 errors are logged and shown as they are numbered.
_OLD = frozenset({Generation.CORE, Generation.V1_0})

_ORANGE = {True: "three", False: "two", None: "two or three"}
LOST = "LED: breathing cyan, then blinking cyan again"


def unreached(*, internet_works: bool | None) -> str:
    """Say what the LED shows when no connection came; None: the internet was not tested."""
    return f"LED: blinking cyan, {_ORANGE[internet_works]} orange blinks"


def in_session(*, safe_mode: bool) -> str:
    """Say what the LED shows during a session."""
    return f"LED: breathing {'magenta' if safe_mode else 'cyan'}"


def failed(error: DeviceError | None, generation: Generation) -> str:
    """Say how a failed handshake is logged and shown; None is no error that firmware knows."""
    if error is None:
        return "LED: blinking cyan"
    row = ERRORS[error]
    old = generation in _OLD
    colour = row.flash if old else "red"
    code = error if old else row.system_error
    logged = "" if code is None else f", logged as {code.value}"
    pace = "blinking" if generation is Generation.CORE else "fast blinking"
    return f"error {error.value} {error.name}{logged}; LED: {pace} cyan, then one {colour} flash"
