"""What the difference between two measurements proves.

Two probes ask the same of two networks: what differs is the networks. Two captures show a device
in two networks: what stays is the device, or the cloud.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from handshake_probe.diagnose.compare_fleets import (
    by_address_alone,
    counted_causes,
    fleet_proof,
    is_fleet,
    pairs_of,
)
from handshake_probe.diagnose.joint import SAME_TIME
from handshake_probe.model.measurement import ASKED, DeviceReport, Measurement
from handshake_probe.model.probed import VantageSeen
from handshake_probe.model.vocabulary import Cause, Confidence, Mechanism, Stage

_NAMED = 4  # devices
_OF_ONE = 6  # rows from there on tell of one verdict


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing of both; None is "not known"."""

    label: str
    one: str | None
    other: str | None

    @property
    def differs(self) -> bool:
        """Whether both are known and not the same."""
        return None not in (self.one, self.other) and self.one != self.other


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two measurements side by side."""

    proof: str  # what the difference proves, or that it proves nothing
    cause: Cause | None  # None: it points to nothing
    confidence: Confidence
    caveats: tuple[str, ...]  # what would make the proof weaker
    differences: tuple[Difference, ...]


def compare(one: Measurement, other: Measurement) -> Comparison:
    """What differs between two measurements, called A and B, and what that proves."""
    proof, cause = _proof(one, other)
    caveats = tuple(_caveats(one, other)) if cause is not None else ()
    sure = Confidence.PROVEN if cause is Cause.HEALTHY and not caveats else Confidence.LIKELY
    if caveats or cause is None:
        sure = Confidence.POSSIBLE
    return Comparison(proof, cause, sure, caveats, _differences(one, other))


def _proof(one: Measurement, other: Measurement) -> tuple[str, Cause | None]:
    if one.kind == other.kind and is_fleet(one, other):
        return fleet_proof(one, other)
    for each, name in ((one, "A"), (other, "B")):
        if each.verdict.mechanism is Mechanism.OTHER_PATH:
            return f"Nothing: {name} was not measured on the device's way to the cloud.", None
        if each.verdict.cause is Cause.INCONCLUSIVE:
            return f"Nothing: {name} is inconclusive by itself.", None
    if one.kind != other.kind:
        return (
            f"Nothing by itself: a {one.kind} and a {other.kind} are two views of one network. "
            "`handshake-probe diagnose` judges them side by side.",
            None,
        )
    return (_probes if one.kind in ASKED else _captures)(one, other)


def _probes(one: Measurement, other: Measurement) -> tuple[str, Cause | None]:
    causes = one.verdict.cause, other.verdict.cause
    if causes == (Cause.HEALTHY, Cause.HEALTHY):
        return "Both networks carry the handshake: the device's trouble lies elsewhere.", (
            Cause.HEALTHY
        )
    blocked = _blocked(one, other)
    if blocked is not None and _network(one) == _network(other) is not None:
        return (
            f"One network, two times: it stopped the test in {blocked} and carried it in the "
            "other. What changed is the network, not the device.",
            Cause.NETWORK_BLOCKED,
        )
    if blocked is not None:
        return (
            "The same test passes from one network and is stopped in the other: "
            f"it is {blocked}'s network, not the cloud and not the device.",
            Cause.NETWORK_BLOCKED,
        )
    if causes == (Cause.NETWORK_BLOCKED, Cause.NETWORK_BLOCKED):
        alike = one.verdict.mechanism is other.verdict.mechanism
        how = "in the same way" if alike else "in two ways"
        return f"Both are stopped, {how}: no network is shown to be better than the other.", None
    return "Nothing: neither of them is healthy while the network stops the other.", None


def _captures(one: Measurement, other: Measurement) -> tuple[str, Cause | None]:
    cause = one.verdict.cause
    blocked = _blocked(one, other)
    if blocked is not None:
        return (
            f"The device connects in one network and is stopped in the other: it is {blocked}'s "
            "network, not the device and not its keys.",
            Cause.NETWORK_BLOCKED,
        )
    if cause is other.verdict.cause is Cause.HEALTHY:
        return "The device connects in both.", Cause.HEALTHY
    if cause is other.verdict.cause and cause is not Cause.NETWORK_BLOCKED:
        reached = one.verdict.stage.reached(Stage.IDENTITY_SENT)
        if reached and other.verdict.stage.reached(Stage.IDENTITY_SENT):
            return (
                "It fails alike in both, after the network has carried it: it moves with it.",
                cause,
            )
    return "Nothing: the two differ in more than the network, or not at all.", None


def _blocked(one: Measurement, other: Measurement) -> str | None:
    """Which of two the network stops while the other is healthy."""
    causes = one.verdict.cause, other.verdict.cause
    if causes == (Cause.HEALTHY, Cause.NETWORK_BLOCKED):
        return "B"
    return "A" if causes == (Cause.NETWORK_BLOCKED, Cause.HEALTHY) else None


def _caveats(one: Measurement, other: Measurement) -> list[str]:
    found = []
    if one.kind in ASKED and one.source.path != other.source.path:
        found.append(f"They asked for different clouds: {one.source.path}, {other.source.path}.")
    networks = _network(one), _network(other)
    if one.kind in ASKED and None in networks:
        found.append("The network of one of them is not known.")
    elif one.kind in ASKED and networks[0] == networks[1]:
        found.append(f"Were it two networks, they would look alike: {networks[0]}.")
    devices = _devices(one), _devices(other)
    same = is_fleet(one, other)  # then only a device that is in both counts
    if one.kind not in ASKED and not same and not set(devices[0]) & set(devices[1]):
        found.append("That it is the same device is not shown: neither id nor hardware address.")
    if same and by_address_alone(one, other):
        found.append("That they are the same devices is shown by their addresses alone.")
    gap = _gap(one, other)
    if gap is None:
        found.append("When one of them was measured is not known.")
    elif gap > SAME_TIME:
        found.append(f"They lie {gap / 3600:.1f} hours apart: the fault may have come or gone.")
    return found


def _differences(one: Measurement, other: Measurement) -> tuple[Difference, ...]:
    rows: tuple[tuple[str, Callable[[Measurement], str | None]], ...] = (
        ("kind", lambda m: m.kind),
        ("tested", lambda m: m.source.path),
        ("when", lambda m: m.source.first),
        ("network", _network),
        ("Wi-Fi", _wifi),
        ("devices", _addresses),
        ("verdict", lambda m: str(m.verdict.cause)),
        ("confidence", lambda m: str(m.verdict.confidence)),
        ("how", lambda m: str(m.verdict.mechanism) if m.verdict.mechanism else None),
        ("got as far as", lambda m: str(m.verdict.stage)),
        ("stopped by", lambda m: m.verdict.blocker.who if m.verdict.blocker else None),
    )
    if is_fleet(one, other):  # the document's verdict is that of one device
        rows = (*rows[:_OF_ONE], ("verdicts", lambda m: counted_causes(m.devices)))
    found = [Difference(label, ask(one), ask(other)) for label, ask in rows]
    if is_fleet(one, other):
        found += (Difference(p.name, _fate(p.one), _fate(p.other)) for p in pairs_of(one, other))
    return tuple(row for row in found if (row.one, row.other) != (None, None))


def _addresses(measurement: Measurement) -> str | None:
    told = ", ".join(device.address for device in measurement.devices[:_NAMED])
    number = len(measurement.devices)
    return f"{number}: {told}, …" if number > _NAMED else told or None


def _fate(device: DeviceReport) -> str:
    verdict = device.verdict
    how = f", {verdict.mechanism}" if verdict.mechanism else ""
    return f"{verdict.cause}{how}"


def _vantage(measurement: Measurement) -> VantageSeen | None:
    return next((o for o in measurement.observations if isinstance(o, VantageSeen)), None)


def _network(measurement: Measurement) -> str | None:
    vantage = _vantage(measurement)
    if vantage is None or vantage.network is None:
        return None
    via = f" by router {vantage.gateway}" if vantage.gateway else ""
    return f"{vantage.network}{via}"


def _wifi(measurement: Measurement) -> str | None:
    vantage = _vantage(measurement)
    return vantage.wifi if vantage else None


def _devices(measurement: Measurement) -> list[str]:
    told = [name for device in measurement.devices for name in (device.device_id, device.mac)]
    return [name for name in told if name]


def _gap(one: Measurement, other: Measurement) -> float | None:
    try:
        first, second = (datetime.fromisoformat(m.source.first or "") for m in (one, other))
        return abs((first - second).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
