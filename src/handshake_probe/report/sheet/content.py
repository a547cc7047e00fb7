"""What a firewall report says: resolved, redacted, and free of any form a writer may give it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Mark(StrEnum):
    """How a line is meant; always beside words that say it too."""

    GOOD = "good"
    BAD = "bad"
    NEUTRAL = "neutral"


class Matter(StrEnum):
    """What the whole report is about."""

    REQUEST = "request"  # the network stops the handshake, and is asked to let it through
    OTHER = "other"  # a cause was found, and it is not the network
    HEALTHY = "healthy"
    OPEN = "open"  # not decided


class Texts(NamedTuple):
    """The catalogue's words on a finding."""

    title: str
    meaning: str
    doubt: str
    remedy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and what it stands for."""

    label: str
    text: str


class Kind(StrEnum):
    """What a piece of a step is."""

    PROSE = "prose"
    WORD = "word"  # a command within a sentence
    COMMAND = "command"  # a command with a line of its own


AFTER_COMMAND = " .,;:"  # what a sentence does not begin with after a command on its own line


@dataclass(frozen=True, slots=True)
class Step:
    """Prose, and commands in it that can be copied."""

    pieces: tuple[tuple[str, Kind], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One change that is asked for."""

    title: str
    rows: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Test:
    """A line of evidence: something that was tried or seen, and what came of it."""

    when: str
    what: str
    where: str
    result: str
    mark: Mark
    times: int
    control: bool  # it stands there for comparison


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a handshake; `arrow` is "to_cloud", "to_device" or "" for a remark."""

    arrow: str
    label: str
    note: str
    when: str
    frame: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """The steps of one connection, and where it ended."""

    title: str
    device: str
    cloud: str
    rungs: tuple[Rung, ...]
    ending: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Hop:
    """One distance on the way: what answered on the cloud's port, what on the control's."""

    name: str
    answer: str
    control: str
    mark: Mark
    control_mark: Mark
    stop: bool  # the way ends here for the cloud's port, not for the control's


@dataclass(frozen=True, slots=True)
class Path:
    """The way to the cloud."""

    port: str
    control: str  # "" where there was none
    hops: tuple[Hop, ...]
    told: str  # the blocking hop in a sentence


@dataclass(frozen=True, slots=True)
class Try:
    """One connection or silence on the time axis, seconds from the first."""

    label: str
    begin: float
    end: float
    mark: Mark


@dataclass(frozen=True, slots=True)
class Timeline:
    """Attempts and pauses in their order."""

    title: str
    tries: tuple[Try, ...]
    folded: int  # left out between the first and the last ones
    seconds: float


@dataclass(frozen=True, slots=True)
class Overview:
    """How far how many devices came, and what ended it: numbers by stage and ending."""

    stages: tuple[str, ...]
    endings: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]  # per stage
    devices: tuple[tuple[str, str, str, str], ...]  # address, id, reached, verdict
    folded: str  # devices without a line, by verdict; "" for none


@dataclass(frozen=True, slots=True)
class FindingText:
    """A finding of the measurement with the catalogue's words."""

    code: str
    title: str
    severity: str
    text: str
    meaning: str
    doubt: str


@dataclass(frozen=True, slots=True)
class Case:
    """One device or one probe: its verdict and what it rests on."""

    title: str
    facts: tuple[Fact, ...]
    cause: str
    sentence: str
    sure: str
    tests: tuple[Test, ...]
    ladder: Ladder | None
    timeline: Timeline | None
    path: Path | None
    findings: tuple[FindingText, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer on top."""

    sentence: str
    mark: Mark
    facts: tuple[Fact, ...]  # how sure, what is ruled out, what was assumed


@dataclass(frozen=True, slots=True)
class Example:
    """How one product's administrator looks for it and allows it."""

    name: str
    look: str
    words: tuple[str, ...]
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Attached:
    """A measurement that the report carries."""

    name: str
    kind: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report says, in the order it says it."""

    matter: Matter
    title: str
    lead: str
    made: str
    version: str
    redaction: str  # the level's word
    redaction_name: str
    redaction_told: str
    head: tuple[Fact, ...]
    verdict: Verdict
    request: str  # what to change, in a sentence; "" where nothing is asked for
    rules: tuple[Rule, ...]
    cases: tuple[Case, ...]
    overview: Overview | None
    verify: tuple[Step, ...]
    examples: tuple[Example, ...]
    examples_note: str
    owner: tuple[Step, ...]
    owner_lead: str
    attached: tuple[Attached, ...]
