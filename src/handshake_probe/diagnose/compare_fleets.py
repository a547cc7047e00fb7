"""What two captures of several devices prove: each device is compared with itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from handshake_probe.model.measurement import DeviceReport, Measurement, Verdict
from handshake_probe.model.vocabulary import SEVERITY_ORDER, Cause, Stage


class Pair(NamedTuple):
    """A device that is in both captures."""

    name: str  # its id, or else its hardware address, or else its address
    one: DeviceReport
    other: DeviceReport


class _Both(Enum):
    """How a device fared in A and in B, completing "N devices …"."""

    ONLY_A = "are stopped by A's network and connect in B"
    ONLY_B = "are stopped by B's network and connect in A"
    ALIKE = "fail alike in both, after the network has carried it"
    SOUND = "connect in both"
    OTHERWISE = "tell nothing of the networks"


_STOPPED = {
    (Cause.NETWORK_BLOCKED, Cause.HEALTHY): _Both.ONLY_A,
    (Cause.HEALTHY, Cause.NETWORK_BLOCKED): _Both.ONLY_B,
    (Cause.HEALTHY, Cause.HEALTHY): _Both.SOUND,
}


def is_fleet(*measurements: Measurement) -> bool:
    """Whether one of them holds more than one device."""
    return any(len(measurement.devices) > 1 for measurement in measurements)


def pairs_of(one: Measurement, other: Measurement) -> list[Pair]:
    """The devices that are in both, by id or by a hardware address that is no other's.

    Where that shows none, those of one address: one site, captured behind its router, twice.
    """
    return _named_alike(_by_name(one), _by_name(other)) or _named_alike(
        _by_address(one), _by_address(other)
    )


def by_address_alone(one: Measurement, other: Measurement) -> bool:
    """Whether nothing but their addresses shows that devices are in both."""
    return bool(pairs_of(one, other)) and not _named_alike(_by_name(one), _by_name(other))


def _named_alike(one: Mapping[str, DeviceReport], other: Mapping[str, DeviceReport]) -> list[Pair]:
    found: dict[str, Pair] = {}  # by the address in A
    for name, device in one.items():
        if name in other:
            found.setdefault(device.address, Pair(name, device, other[name]))
    return list(found.values())


def fleet_proof(one: Measurement, other: Measurement) -> tuple[str, Cause | None]:
    """What the devices in both prove, and the cause that it points to."""
    pairs = pairs_of(one, other)
    if not pairs:
        return (
            "Nothing: no device of A is shown to be in B, by its id, a hardware address of its "
            "own, or its address.",
            None,
        )
    fared = Counter(_fared(pair.one.verdict, pair.other.verdict) for pair in pairs)
    number = f"{len(pairs)} device is" if len(pairs) == 1 else f"{len(pairs)} devices are"
    told = f"{number} in both captures: {_told(fared)}."
    if fared[_Both.ONLY_A] and fared[_Both.ONLY_B]:
        return f"Nothing: each network stops devices that the other carries. {told}", None
    for stopped, letter in ((_Both.ONLY_A, "A"), (_Both.ONLY_B, "B")):
        if fared[stopped]:
            proof = f"{told} What stops them is {letter}'s network, no device and no key."
            return proof, Cause.NETWORK_BLOCKED
    if set(fared) == {_Both.SOUND}:
        return told, Cause.HEALTHY
    causes = {pair.one.verdict.cause for pair in pairs}
    if set(fared) == {_Both.ALIKE} and len(causes) == 1:
        return f"{told} What fails moves with the devices.", causes.pop()
    return f"Nothing: no device connects in one network and is stopped in the other. {told}", None


def counted_causes(devices: Sequence[DeviceReport]) -> str:
    """How many devices have which verdict."""
    causes = Counter(str(device.verdict.cause) for device in devices)
    return ", ".join(f"{causes[cause]} {cause}" for cause in SEVERITY_ORDER if causes[cause])


def _fared(one: Verdict, other: Verdict) -> _Both:
    known = _STOPPED.get((one.cause, other.cause))
    if known is not None:
        return known
    settled = one.cause not in (Cause.NETWORK_BLOCKED, Cause.INCONCLUSIVE)
    carried = all(verdict.stage.reached(Stage.IDENTITY_SENT) for verdict in (one, other))
    return _Both.ALIKE if one.cause is other.cause and settled and carried else _Both.OTHERWISE


def _told(fared: Counter[_Both]) -> str:
    return "; ".join(f"{fared[each]} {_verb(each, fared[each])}" for each in _Both if fared[each])


def _verb(each: _Both, number: int) -> str:
    if number > 1:
        return each.value
    verb, _, rest = each.value.partition(" ")
    told = {"are": "is"}.get(verb, f"{verb}s")
    return f"{told} {rest}".replace("connect in", "connects in")


def _by_name(measurement: Measurement) -> dict[str, DeviceReport]:
    """Devices by id and by hardware address; one address of several is their router's."""
    macs = Counter(device.mac for device in measurement.devices)
    by_id = {device.device_id: device for device in measurement.devices if device.device_id}
    by_mac = {device.mac: device for device in measurement.devices if macs[device.mac] == 1}
    return {name: device for name, device in (*by_id.items(), *by_mac.items()) if name}


def _by_address(measurement: Measurement) -> dict[str, DeviceReport]:
    """Devices by address; one of several, as behind a NAT, names none of them."""
    there = Counter(device.address for device in measurement.devices)
    return {d.address: d for d in measurement.devices if d.address and there[d.address] == 1}
