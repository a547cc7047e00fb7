"""Stand-ins for addresses, hardware addresses, ids and names that a public report does not tell.

The same value gets the same stand-in throughout, and networks stay apart: a measurement with
stand-ins is judged as the one it was made from.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from itertools import count

from handshake_probe.keys.particle import is_particle_name

# Of everybody, so they say nothing about anybody.
_KNOWN_HOSTS = frozenset(
    map(
        ipaddress.ip_address,
        ("1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "192.0.0.170", "192.0.0.171"),
    )
)
_KNOWN_NAMES = ("example.com", "pool.ntp.org", "ipv4only.arpa", "example")

_MAC = re.compile(r"(?<![\w:])[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}(?![\w:])")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:/\d{1,3})?(?![\w:])")
_DEVICE_ID = re.compile(r"(?<![0-9a-zA-Z])[0-9a-fA-F]{24}(?![0-9a-zA-Z])")
_SHORTEST = 3  # of a name that is looked for in other texts
_WORD = re.compile(r"[\w-]+")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Pseudonyms:
    """The stand-ins of one report."""

    def __init__(self) -> None:
        self._hosts: dict[_Address, str] = {}
        self._numbers: dict[object, count[int]] = {}
        self._subnets: dict[int, int] = {}
        self._macs: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._by_word: dict[str, list[str]] = {}  # names by one of their words; "": of none

    def host_name(self, name: str) -> str:
        """A DNS name: the cloud's stay, the others become `host1.example`."""
        bare = name.rstrip(".").lower()
        known = any(bare == k or bare.endswith(f".{k}") for k in _KNOWN_NAMES)
        if not bare or known or is_particle_name(bare):
            return name
        if bare not in self._names:
            self._add(bare, f"host{self._next('name')}.example")
        return self._names[bare]

    def hide(self, name: str, stand_in: str) -> None:
        """Have a name replaced wherever it stands in a text."""
        if len(name) >= _SHORTEST and name.lower() not in self._names:
            self._add(name.lower(), stand_in)

    def address(self, text: str) -> str:
        """An address, with its network and without its host; not an address: as it is."""
        base, _, length = text.partition("/")
        try:
            address = ipaddress.ip_address(base)
        except ValueError:
            return text
        if length:
            return _network(address, int(length))
        if _tells_nothing(address):
            return text
        if address not in self._hosts:
            self._hosts[address] = self._numbered(address)
        return self._hosts[address]

    def mac(self, text: str) -> str:
        """A hardware address: its maker's half, and a number."""
        key = text.lower()
        if key in ("ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"):
            return text
        if key not in self._macs:
            number = self._next("mac")
            self._macs[key] = f"{key[:8]}:00:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"
        return self._macs[key]

    def device_id(self, text: str) -> str:
        """The first 4 digits of an id, and 4 of its hash."""
        key = text.lower()
        return f"{key[:4]}-{hashlib.sha256(key.encode()).hexdigest()[:4]}"

    def text(self, text: str) -> str:
        """`text` with a stand-in for everything that has one."""
        text = _MAC.sub(lambda found: self.mac(found[0]), text)
        text = _DEVICE_ID.sub(lambda found: self.device_id(found[0]), text)
        text = _IPV4.sub(lambda found: self.address(found[0]), text)
        text = _IPV6.sub(lambda found: self.address(found[0]), text)
        for name in self._names_in(text.lower()):
            pattern = rf"(?i)(?<![\w-]){re.escape(name)}(?![\w-])"
            text = re.sub(pattern, lambda _, s=self._names[name]: s, text)  # type: ignore[misc]
        return text

    def _names_in(self, text: str) -> list[str]:
        """The names that stand in a text, longest first: one may be a part of another.

        A name stands between words, so its own words are whole words of the text: only names of
        those words are looked for, however many devices there are.
        """
        words = {"", *_WORD.findall(text)}
        near = [name for word in words for name in self._by_word.get(word, ())]
        return sorted((name for name in near if name in text), key=lambda name: (-len(name), name))

    def _add(self, name: str, stand_in: str) -> None:
        self._names[name] = stand_in
        own = _WORD.findall(name)  # the rarest so far: many may be called "photon …"
        word = min(own, key=lambda word: len(self._by_word.get(word, ())), default="")
        self._by_word.setdefault(word, []).append(name)

    def _next(self, kind: object) -> int:
        return next(self._numbers.setdefault(kind, count(1)))

    def _numbered(self, address: _Address) -> str:
        if isinstance(address, ipaddress.IPv4Address):
            network = int(address) & 0xFFFFFF00
            return str(ipaddress.IPv4Address(network | self._next(network) & 0xFF))
        if address.is_link_local:
            return f"fe80::{self._next('fe80::')}"
        site, subnet = int(address) >> 80 << 80, int(address) >> 64 << 64
        if subnet not in self._subnets:
            self._subnets[subnet] = self._next(("site", site))
        place = site | self._subnets[subnet] << 64
        return str(ipaddress.IPv6Address(place | self._next(subnet)))


def _tells_nothing(address: _Address) -> bool:
    special = address.is_unspecified or address.is_loopback or address.is_multicast
    return special or address in _KNOWN_HOSTS or int(address) == 0xFFFFFFFF


def _network(address: _Address, length: int) -> str:
    most = 24 if address.version == 4 else 48
    try:
        return str(ipaddress.ip_network((address, min(length, most)), strict=False))
    except ValueError:
        return f"{address}"
