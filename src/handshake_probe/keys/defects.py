"""Defects of key files: what can be wrong with one, and who stumbles over it.

The texts that explain a code live in the catalogue of findings; here are the facts of a case.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Hurts(StrEnum):
    """Who cannot use a key with this defect."""

    NOBODY = "nobody"  # worth knowing, harmless
    TOOLS = "tools"  # OpenSSL and its like refuse it, the device reads it all the same
    FIRMWARE = "firmware"  # the tools accept it, the device fails
    BOTH = "both"


class Code(StrEnum):
    """Every kind of defect, by its code in the catalogue."""

    NO_KEY = "HP700"
    ERASED = "HP701"
    PKCS8 = "HP702"
    SHORT_INTEGER = "HP703"
    EC_IN_RSA_SLOT = "HP704"
    PEM_IN_SLOT = "HP705"
    TRUNCATED = "HP706"
    OVERWRITTEN = "HP707"
    SHIFTED = "HP708"
    HEADER_DAMAGED = "HP709"
    TRAILING_BYTES = "HP710"
    NOT_MINIMAL = "HP711"
    FIRST_BYTE_ERASED = "HP712"
    WRONG_SIZE = "HP713"
    WRONG_EXPONENT = "HP714"
    INTEGER_DAMAGED = "HP715"
    INTEGERS_DISAGREE = "HP716"
    NO_MODULUS = "HP717"
    TOO_LONG = "HP718"
    UNUSED_INTEGER_DAMAGED = "HP719"
    SERVER_MODULUS_REFUSED = "HP720"
    SERVER_HEADER_DAMAGED = "HP721"
    SERVER_KEY_MISREAD = "HP722"
    DAMAGED_COPY = "HP723"
    ADDRESS_DAMAGED = "HP724"
    ADDRESS_UNSET = "HP725"
    GAP_FILLED = "HP726"
    ADDRESS_OF_ANOTHER_CLOUD = "HP727"
    OTHER_PORT = "HP728"
    PUBLISHED = "HP730"
    SEVERAL_KEYS = "HP731"
    PRIVATE_NAMED_PUBLIC = "HP732"
    READABLE_BY_OTHERS = "HP733"
    ENCRYPTED = "HP734"
    PEM_DAMAGED = "HP735"
    PARTICLE_KEY = "HP736"
    ODD_VERSION = "HP737"
    HALVES_DIFFER = "HP740"
    PRESENTED_DIFFERS = "HP741"
    SERVER_KEY_DIFFERS = "HP742"
    ID_WITH_SEVERAL_KEYS = "HP743"
    KEY_WITH_SEVERAL_IDS = "HP744"
    ID_CONTRADICTED = "HP745"

    @property
    def hurts(self) -> Hurts:
        """Who stumbles over it."""
        return next((who for who, codes in _HURT.items() if self in codes), Hurts.NOBODY)


_HURT = {
    Hurts.BOTH: {
        Code.NO_KEY,
        Code.ERASED,
        Code.PEM_DAMAGED,
        Code.TRUNCATED,
        Code.OVERWRITTEN,
        Code.SHIFTED,
        Code.FIRST_BYTE_ERASED,
        Code.INTEGER_DAMAGED,
        Code.INTEGERS_DISAGREE,
    },
    Hurts.FIRMWARE: {
        Code.PKCS8,
        Code.SHORT_INTEGER,
        Code.EC_IN_RSA_SLOT,
        Code.PEM_IN_SLOT,
        Code.TOO_LONG,
        Code.WRONG_EXPONENT,
        Code.NO_MODULUS,
        Code.SERVER_MODULUS_REFUSED,
        Code.SERVER_KEY_MISREAD,
        Code.DAMAGED_COPY,
        Code.WRONG_SIZE,
        Code.ENCRYPTED,
    },
    Hurts.TOOLS: {
        Code.HEADER_DAMAGED,
        Code.TRAILING_BYTES,
        Code.NOT_MINIMAL,
        Code.ODD_VERSION,
        Code.UNUSED_INTEGER_DAMAGED,
        Code.SERVER_HEADER_DAMAGED,
    },
}


class Defect(NamedTuple):
    """One defect of one file; `text` is a whole sentence with the facts of this case."""

    code: Code
    text: str
