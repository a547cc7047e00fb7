"""Many devices at a glance: a line for each that needs attention, and whose blocks to show.

```
  40 network blocked: syn dropped (tried to connect)
  ✗ network blocked       likely   192.168.10.2    30001f000c47343438373233
  ✗ network blocked       likely   192.168.10.3    “kitchen”
    … 38 more
```
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from handshake_probe.model.measurement import DeviceReport, Finding
from handshake_probe.model.vocabulary import SEVERITY_ORDER, Cause, Severity, Stage
from handshake_probe.report.findings import findings_of
from handshake_probe.report.page import Page
from handshake_probe.report.safe import visible
from handshake_probe.report.words import CAUSES, STAGES, STYLES, counted, spaced, sureness

# A device's block has some 40 lines: eight are what somebody still reads one after the other.
# So many devices need no overview, and so many blocks follow one.
FEW = 8
_LISTED = 50  # of one kind of failure: a large screen; who works through more takes the JSON
_HEALTHY_LISTED = 10  # some to compare the others with
_COLUMNS = (22, 9, 16)  # verdict, how sure, address; the device's id or name takes the rest
_ADDRESS_LIMIT = 45  # characters
_NAME_LIMIT = 24  # characters, like an id


_CUT_SHORT = (
    "HP610: this capture holds more connections than are kept in memory, so devices may be missing "
    "here. A filter for some of their addresses, or a shorter time, shows those."
)


class Kind(NamedTuple):
    """What devices have in common that fail alike; all healthy ones are of one kind, or of two."""

    cause: Cause
    mechanism: str = ""
    stage: str = ""
    warned: bool = False  # healthy, and something is not as it should be

    @property
    def sound(self) -> bool:
        """Whether it needs no attention."""
        return self.cause is Cause.HEALTHY and not self.warned


class Entry(NamedTuple):
    """A device in the overview."""

    device: DeviceReport
    kind: Kind
    warnings: list[str]  # codes of findings that did not keep a healthy device from its session


def entries(
    devices: Sequence[DeviceReport], about: Mapping[str | None, Sequence[Finding]]
) -> list[Entry]:
    """The devices by kind, most severe and most frequent first, recovered ones behind others.

    Args:
        devices: Of one measurement.
        about: The findings, by the address of the device they are about.
    """
    told = [_entry(device, findings_of(device, about)) for device in devices]
    number = Counter(entry.kind for entry in told)

    def rank(entry: Entry) -> tuple[object, ...]:
        kind = entry.kind
        severity = SEVERITY_ORDER.index(kind.cause)
        return severity, kind.sound, -number[kind], kind, entry.device.verdict.recovered

    return sorted(told, key=rank)


def show_overview(page: Page, told: Sequence[Entry], *, at_least: bool = False) -> None:
    """How many devices have which verdict, then kind by kind a line for each that fails."""
    devices = [entry.device for entry in told]
    page.line((counts(devices, at_least=at_least), "bold"), hang=2)
    if at_least:
        page.line(f"{page.glyphs.warning} {_CUT_SHORT}", indent=2, hang=2)
    for kind, group in groupby(told, key=lambda entry: entry.kind):
        alike = list(group)
        page.blank()
        page.line((f"{len(alike)} {_kind(kind)}", "bold"), indent=2, hang=2)
        limit = _HEALTHY_LISTED if kind.sound else _LISTED
        for entry in alike[:limit]:
            _row(page, entry)
        if len(alike) > limit:
            page.line((f"{page.glyphs.more} {len(alike) - limit} more", "dim"), indent=4)


def worth_a_block(told: Sequence[Entry]) -> list[DeviceReport]:
    """A few that need attention: the first of every kind of failure, then the next of each."""
    seen: Counter[Kind] = Counter()
    ranked = []
    for place, entry in enumerate(told):
        if not entry.kind.sound:
            ranked.append((seen[entry.kind], place))
            seen[entry.kind] += 1
    return [told[place].device for place in sorted(place for _, place in sorted(ranked)[:FEW])]


def left_out(told: Sequence[Entry], shown: int) -> str:
    """What no block tells, and how to see it."""
    sound = sum(entry.kind.sound for entry in told)
    failing = len(told) - sound - shown
    parts = [f"{failing} more that need attention"] if failing else []
    parts += [counted(sound, "healthy device")] if sound else []
    return (
        f"Left out: the details of {' and of '.join(parts)}."
        " `analyze --device ADDRESS` tells those of one; JSON (`--format json`) holds all."
    )


def counts(devices: Sequence[DeviceReport], *, at_least: bool = False) -> str:
    """How many devices there are, and how many have which verdict.

    Args:
        devices: Of one measurement.
        at_least: The capture held more than were kept.
    """
    causes = Counter(device.verdict.cause for device in devices)
    told = [f"{causes[cause]} {spaced(cause)}" for cause in SEVERITY_ORDER if cause in causes]
    some = "at least " if at_least else ""
    return f"{some}{counted(len(devices), 'device')}: {', '.join(told)}"


def cut_short(findings: Sequence[Finding]) -> bool:
    """Whether the capture held more connections than were kept: devices may be missing."""
    return any(each.code == "HP610" and each.device is None for each in findings)


def _entry(device: DeviceReport, findings: Sequence[Finding]) -> Entry:
    verdict = device.verdict
    if verdict.cause is not Cause.HEALTHY:
        return Entry(device, Kind(verdict.cause, verdict.mechanism or "", verdict.stage), [])
    found = [each for each in findings if each.severity is not Severity.INFO]
    if found:  # devices behind one router share its address
        own = {None, *(connection.stream for connection in device.connections)}
        found = [each for each in found if each.stream in own]
    warnings = sorted({each.code for each in found})
    return Entry(device, Kind(verdict.cause, warned=bool(warnings)), warnings)


def _kind(kind: Kind) -> str:
    if kind.cause is Cause.HEALTHY:
        return "healthy, with warnings" if kind.warned else "healthy"
    how = f": {spaced(kind.mechanism)}" if kind.mechanism else ""
    return f"{spaced(kind.cause)}{how} ({STAGES[Stage(kind.stage)].short})"


def _row(page: Page, entry: Entry) -> None:
    verdict = entry.device.verdict
    symbol = CAUSES[verdict.cause].symbol
    sign, style = getattr(page.glyphs, symbol), STYLES[symbol]
    address, *rest = _who(entry)
    if page.narrow:
        told = ", ".join(part for part in (spaced(verdict.cause), sureness(verdict)) if part)
        who = f" {page.glyphs.dot} ".join((address, *rest))
        page.line((f"{sign} {told}", style), f" {page.glyphs.dot} {who}", indent=2, hang=4)
        return
    cause, sure, place = _COLUMNS
    mark = page.text(
        "  ",
        (f"{sign:<{len(page.glyphs.good) + 1}}{spaced(verdict.cause):<{cause}}", style),
        f"{sureness(verdict):<{sure}}",
    )
    page.beside(mark, f"{address:<{place}}" + f" {page.glyphs.dot} ".join(rest))


def _who(entry: Entry) -> Iterator[str]:
    """The address, the id or else the name, and what is to be said besides."""
    device = entry.device
    yield visible(device.address, _ADDRESS_LIMIT)
    if device.device_id:
        yield visible(device.device_id, _NAME_LIMIT)
    elif device.name:
        yield f"“{visible(device.name, _NAME_LIMIT)}”"
    if device.verdict.recovered:
        yield "recovered"
    yield from entry.warnings
