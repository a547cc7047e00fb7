"""What a device says of its own accord once the cloud's Hello came, and how it describes itself.

Orders as recorded from Device OS 1.0.0, 2.3.1 and 3.3.1 and from the Core's library.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from handshake_probe.protocol import requests
from handshake_probe.protocol.coap import CoapMessage
from handshake_probe.protocol.settings import DeviceSettings

CLAIM_EVENT = b"spark/device/claim/code"
SAFE_MODE_EVENT = b"spark/device/safemode"
_KEY_ERROR_EVENT = b"spark/device/key/error"
_HARDWARE = ((b"spark/hardware/max_binary", b"102400"), (b"spark/hardware/ota_chunk_size", b"512"))
_UPDATES = (
    (b"particle/device/updates/enabled", b"true"),
    (b"particle/device/updates/forced", b"false"),
)


class Utterance(NamedTuple):
    """One message of the opening."""

    message: CoapMessage
    takes_token: bool = False
    bare_marker: bool = False  # ends in FF without a payload


def opening(settings: DeviceSettings, claim_code: bytes) -> Iterator[Utterance]:
    """Yield the messages in order; `claim_code` is empty when none is stored any more."""
    traits = settings.traits
    if traits.describes_itself:
        yield _post(settings, requests.SYSTEM, settings.system_description)
    if claim_code:
        yield _event(CLAIM_EVENT, claim_code)
    if traits.hardware_events:
        yield from (_event(name, data) for name, data in _HARDWARE)
    if settings.safe_mode:
        bare = traits.bare_safemode_marker
        yield _event(SAFE_MODE_EVENT, b"")._replace(bare_marker=bare)
    if traits.describes_itself:
        yield from (_event(name, data) for name, data in _UPDATES)
    else:
        yield Utterance(requests.subscribe(b"spark", own_devices=False))
    yield Utterance(requests.time_request(b""), takes_token=True)
    if traits.describes_itself:
        yield _post(settings, requests.APPLICATION, settings.application_description)
        for prefix in (b"particle", b"spark"):
            yield Utterance(requests.subscribe(prefix, own_devices=True))
    for name in settings.subscriptions:
        yield Utterance(requests.subscribe(name.encode(), own_devices=True))
    if settings.key_errors:
        yield _event(_KEY_ERROR_EVENT, str(settings.key_errors).encode())


def describe(settings: DeviceSettings, flags: int | None) -> bytes | None:
    """Return the answer to a Describe request; None: this firmware refuses it.

    Device OS 3.3 forgets the comma between the two halves when both are asked for.
    """
    if flags is None:
        if settings.traits.needs_describe_flags:
            return None
        flags = requests.SYSTEM | requests.APPLICATION
    system, application = settings.system_description, settings.application_description
    match flags & (requests.SYSTEM | requests.APPLICATION):
        case requests.SYSTEM:
            return system
        case requests.APPLICATION:
            return application
        case 0:
            return None
    comma = b"" if settings.traits.needs_describe_flags else b","
    return application[:-1] + comma + system[1:]


def _event(name: bytes, data: bytes) -> Utterance:
    return Utterance(requests.device_event(name, data, public=False, acknowledged=False))


def _post(settings: DeviceSettings, flags: int, description: bytes) -> Utterance:
    message = requests.describe_post(b"", flags, description)
    return Utterance(message, takes_token=settings.traits.post_token)
