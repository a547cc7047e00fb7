"""A small grammar for what somebody saw on a device's LED.

    phrase  = clause {("," | "then" | "and" | "with" | "alternating with" | …) clause}
    clause  = one colour, with its pattern and how often, in any order

"cyan, one red flash", "rapid green", "blinking cyan then orange x3", "red SOS, 10 blinks".
A colour without a word for its pattern leaves the pattern open; a number says how many flashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from handshake_probe.errors import UnreadableInput

PHRASE_LIMIT = 200  # characters
COUNT_LIMIT = 30


class PhraseError(UnreadableInput):
    """Words that describe no LED; the message says which one was not understood."""


class Colour(StrEnum):
    """Colours a device shows."""

    CYAN = "cyan"
    RED = "red"
    ORANGE = "orange"
    MAGENTA = "magenta"
    GREEN = "green"
    BLUE = "blue"
    WHITE = "white"
    YELLOW = "yellow"
    OFF = "off"


class Pattern(StrEnum):
    """How a colour is shown."""

    BLINKING = "blinking"
    FAST = "fast blinking"
    BREATHING = "breathing"
    SOLID = "solid"
    FLASHES = "flashes"  # a counted number, or said to be short, between other colours
    SOS = "SOS"


@dataclass(frozen=True, slots=True)
class Signal:
    """One colour of a phrase; None is "was not said"."""

    colour: Colour
    pattern: Pattern | None = None
    count: int | None = None

    def __str__(self) -> str:
        """In the words of the grammar."""
        if self.colour is Colour.OFF:
            return "off"
        if self.pattern is Pattern.SOS:
            return f"{self.colour} SOS" + ("" if self.count is None else f" {self.count}")
        if self.pattern is Pattern.FLASHES:
            if self.count == 1:
                return f"one {self.colour} flash"
            return f"{self.count or 'some'} {self.colour} flashes"
        return f"{self.pattern} {self.colour}" if self.pattern else str(self.colour)


@dataclass(frozen=True, slots=True)
class Phrase:
    """What was seen, colour by colour, in the order told."""

    signals: tuple[Signal, ...]

    def __str__(self) -> str:
        """In the words of the grammar: parsing it gives the same phrase."""
        return ", ".join(map(str, self.signals))

    def of(self, *colours: Colour) -> list[Signal]:
        """The signals of these colours."""
        return [signal for signal in self.signals if signal.colour in colours]


_COLOURS = {
    "cyan": Colour.CYAN,
    "turquoise": Colour.CYAN,
    "aqua": Colour.CYAN,
    "teal": Colour.CYAN,
    "red": Colour.RED,
    "orange": Colour.ORANGE,
    "amber": Colour.ORANGE,
    "magenta": Colour.MAGENTA,
    "purple": Colour.MAGENTA,
    "violet": Colour.MAGENTA,
    "pink": Colour.MAGENTA,
    "green": Colour.GREEN,
    "blue": Colour.BLUE,
    "white": Colour.WHITE,
    "yellow": Colour.YELLOW,
    "off": Colour.OFF,
    "dark": Colour.OFF,
}


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_BREATHING = _set("breathing breathe breathes breath pulsing pulsating pulses pulse fading fades")
_STEADY = _set("breathing pulsing pulsating fading solid steady constant")
_BLINKING = _set("blinking flashing blinks flashes blink flash blinked flashed")
_NOUNS = _set("flash flashes blink blinks burst bursts")
_ONE = frozenset({"flash", "blink"})
_SOLID = _set("solid steady constant constantly continuous")
_FAST = _set("fast rapid rapidly quick quickly")
_SLOW = _set("slow slowly slower")
_COUNTS = {
    **dict.fromkeys(("one", "once", "single"), 1),
    **dict.fromkeys(("two", "twice", "double"), 2),
    **dict.fromkeys(("three", "thrice", "triple"), 3),
    **{"four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10},
    **{"eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14},
}
_NUMBER = re.compile(r"x?(\d{1,3})x?")
_VAGUE = _set("few some several many occasional occasionally sometimes burst bursts")
_BREAKS = _set(
    ", ; / + & then and with followed by after alternating alternates alternately between before or"
)
_ABSENT = _set("no not never without")  # "orange x3, never red": what was not seen is left out
_FILLERS = _set(
    "a an the it its is led light lights lit status rgb colour color shows showing short brief "
    "briefly time times for of any again every second seconds also on forever only just very in "
    "which goes to back repeatedly"
)
_TOKEN = re.compile(r"x?\d+x?(?![a-z])|[a-z]+|[,;/+&]")
_MODIFIERS = _BREATHING | _BLINKING | _SOLID | _FAST | _SLOW | _VAGUE | {"sos"}
_KNOWN = frozenset(_COLOURS) | _ABSENT | _MODIFIERS | _BREAKS | _FILLERS
_FLASHED = frozenset({Colour.RED, Colour.ORANGE, Colour.MAGENTA})  # between other colours


def parse_phrase(text: str) -> Phrase:
    """Read what somebody saw.

    Raises:
        PhraseError: a word that is not of the grammar, no colour, or patterns that exclude each
            other.
    """
    if len(text) > PHRASE_LIMIT:
        raise PhraseError(f"longer than {PHRASE_LIMIT} characters")
    clauses = _clauses(_words(text))
    signals = [_signal(words) for words in clauses if words[0] not in _ABSENT]
    if not signals:
        raise PhraseError("no colour in it" if text.strip() else "nothing said")
    return Phrase(tuple(_merged(signals)))


def _words(text: str) -> list[str]:
    plain = text.lower().replace("×", " x").replace("→", " , ").replace("->", " , ")
    plain = re.sub(r"\bx\s+(?=\d)", "x", plain.replace("-", " ").replace("_", " "))
    plain = re.sub(r"\blight blue\b", "cyan", re.sub(r"\bdark blue\b", "blue", plain))
    plain = re.sub(r"\bno light\b", "off", plain)
    words: list[str] = []
    position = 0
    for match in _TOKEN.finditer(plain):
        _nothing_between(plain[position : match.start()])
        if match[0] not in _KNOWN and _count(match[0]) is None:
            raise PhraseError(f"'{match[0][:20]}' is not understood")
        words.append(match[0])
        position = match.end()
    _nothing_between(plain[position:])
    return words


def _nothing_between(text: str) -> None:
    odd = text.strip(" .:!?'\"()“”’").strip()
    if odd:
        raise PhraseError(f"'{odd.split()[0][:20]}' is not understood")


def _clauses(words: list[str]) -> Iterator[list[str]]:
    """Words by colour. Words without a colour belong to the colour before them, else after."""
    clause: list[str] = []
    for piece in _pieces(words):
        if _has_colour(clause) and (_has_colour(piece) or piece[0] in _ABSENT):
            yield clause
            clause = []
        clause = clause + piece
    if _has_colour(clause):
        yield clause
    elif clause:
        raise PhraseError("no colour in it")


def _pieces(words: list[str]) -> Iterator[list[str]]:
    """Words between breaks, each with one colour at most."""
    piece: list[str] = []
    for word in [*words, ","]:
        if word in _BREAKS or word in _ABSENT:
            if piece:
                yield piece
            piece = [word] if word in _ABSENT else []
        elif word in _COLOURS and _has_colour(piece):
            last = next(i for i in range(len(piece) - 1, -1, -1) if piece[i] in _COLOURS)
            between = piece[last + 1 :]
            # "red flashes 3 orange": nouns and "x3" end a colour, the rest begins the next one.
            kept = max((i + 1 for i, w in enumerate(between) if _ends_colour(w)), default=0)
            yield piece[: last + 1 + kept]
            piece = [*between[kept:], word]
        elif word not in _FILLERS:
            piece.append(word)


def _ends_colour(word: str) -> bool:
    return word in _NOUNS or word in ("once", "twice", "sos") or _is_times(word)


def _is_times(word: str) -> bool:
    return bool(_NUMBER.fullmatch(word)) and "x" in word


def _has_colour(words: list[str]) -> bool:
    return any(word in _COLOURS for word in words)


def _signal(words: list[str]) -> Signal:
    """What one colour's words say."""
    colour = next(_COLOURS[word] for word in words if word in _COLOURS)
    said = frozenset(words)
    count = _told_count(colour, words)
    pattern = _pattern(colour, said, count)
    return Signal(colour, pattern, count if pattern in (Pattern.FLASHES, Pattern.SOS) else None)


def _told_count(colour: Colour, words: list[str]) -> int | None:
    said = frozenset(words)
    counts = list(dict.fromkeys(n for word in words if (n := _count(word)) is not None))
    if len(counts) > 1:
        raise PhraseError(f"{colour} is counted twice, {counts[0]} and {counts[1]}")
    if not counts and said & _ONE and not said & _VAGUE:
        # "red flash" is one; "rapid cyan blink" is a pattern.
        return 1 if colour in _FLASHED or not said & _FAST else None
    if counts and not 1 <= counts[0] <= COUNT_LIMIT:
        raise PhraseError(f"{counts[0]} flashes are not between 1 and {COUNT_LIMIT}")
    return counts[0] if counts else None


def _count(word: str) -> int | None:
    match = _NUMBER.fullmatch(word)
    return int(match[1]) if match else _COUNTS.get(word)


def _pattern(colour: Colour, said: frozenset[str], count: int | None) -> Pattern | None:
    if colour is Colour.OFF:
        return None
    if "sos" in said:
        return Pattern.SOS
    told = [
        pattern
        for pattern, words in (
            (Pattern.BREATHING, _BREATHING),
            (Pattern.SOLID, _SOLID),
            (Pattern.BLINKING, _BLINKING),
        )
        if said & words
    ]
    if len(told) > 1:
        raise PhraseError(f"{colour} cannot be both {told[0]} and {told[1]}")
    counted = count is not None and not said & _STEADY
    if told and told[0] is not Pattern.BLINKING and not counted:
        return told[0]
    if count is not None or said & _VAGUE:
        return Pattern.FLASHES
    if said & _FAST:
        return Pattern.FAST
    if told or said & _SLOW:
        return Pattern.BLINKING
    return None


def _merged(signals: list[Signal]) -> list[Signal]:
    """One signal for each colour and pattern; what follows an SOS in its colour is its code."""
    merged: list[Signal] = []
    for signal in signals:
        before = merged[-1] if merged else None
        if (
            before is not None
            and before.pattern is Pattern.SOS
            and before.colour is signal.colour
            and before.count is None
        ):
            merged[-1] = replace(before, count=signal.count)
        elif signal not in merged:
            merged.append(signal)
    return merged
