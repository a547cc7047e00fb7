"""A small network within one machine: hosts are network namespaces, joined by virtual cables.

Nothing that is sent inside leaves it: no interface outside is touched, none is made there. Needs
Linux, root, `ip` and `nft`. Several networks can exist at once, with the same addresses in each.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from handshake_probe.errors import HandshakeProbeError

T = TypeVar("T")

TOOLS = ("ip", "nft", "tcpdump")
_ICMP_LIMITS = ("ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit")  # milliseconds between two; 0: none

_CLONE_NEWNET = 0x40000000
_NAMESPACES = Path("/run/netns")
_NUMBERS = itertools.count(1)  # networks of this process


class NetworkFailed(HandshakeProbeError):
    """A network could not be built; the message is the complaint of the command that failed."""


class End(NamedTuple):
    """One end of a cable."""

    host: str
    interface: str
    addresses: Sequence[str]  # with prefix length


class Network:
    """Hosts and cables; a context manager that removes them all.

    Every method raises NetworkFailed when a command fails.
    """

    def __init__(self) -> None:
        # The process id tells two programs' networks apart.
        self._prefix = f"probe-{os.getpid()}-{next(_NUMBERS)}"
        self._hosts: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove all hosts; what still runs in them loses its interfaces."""
        while self._hosts:
            subprocess.run(
                ("ip", "netns", "delete", self.namespace(self._hosts.pop())),
                capture_output=True,
                check=False,
            )

    def namespace(self, host: str) -> str:
        """Return the name of a host's namespace."""
        return f"{self._prefix}-{host}"

    def command(self, host: str, *arguments: str) -> tuple[str, ...]:
        """Return the command line that runs a command on a host."""
        return ("ip", "netns", "exec", self.namespace(host), *arguments)

    def add_host(self, host: str, *, ipv6: bool = False) -> None:
        """Add a host that speaks IPv4, or IPv6 as well."""
        self._hosts.append(host)  # first: a half-made one is removed as well
        _run(("ip", "netns", "add", self.namespace(host)))
        # Addresses are given and are nobody else's: no host looks for routers or for doubles.
        quiet = {"accept_dad": "0", "accept_ra": "0", "router_solicitations": "0"}
        wanted = quiet if ipv6 else {"disable_ipv6": "1"}
        for kind in ("all", "default"):
            self.set(host, {f"ipv6/conf/{kind}/{name}": value for name, value in wanted.items()})
        # With a limit, which ICMP errors are seen would depend on how busy this machine is.
        self.set(host, dict.fromkeys(_ICMP_LIMITS, "0"), where_present=True)
        self.configure(host, "link set lo up")

    def set(self, host: str, settings: Mapping[str, str], *, where_present: bool = False) -> None:
        """Write values to files below `/proc/sys/net` of a host."""

        def write() -> None:
            for name, value in settings.items():
                path = Path("/proc/sys/net", name)
                try:
                    if path.exists() or not where_present:
                        path.write_text(value)
                except OSError as error:
                    raise NetworkFailed(f"{host}: {name}: {error.strerror}") from error

        self.within(host, write)

    def join(self, one: End, other: End) -> None:
        """Connect two hosts."""
        self.configure(
            one.host,
            f"link add {one.interface} type veth"
            f" peer name {other.interface} netns {self.namespace(other.host)}",
        )
        for end in (one, other):
            addresses = (f"addr add {address} dev {end.interface}" for address in end.addresses)
            self.configure(end.host, *addresses, f"link set {end.interface} up")

    def join_all(self, centre: End, others: Sequence[End], *, isolated: bool = False) -> None:
        """Connect hosts by a switch that is the interface of one of them, as in a home router.

        Isolated, the others reach the centre but not each other.
        """
        name = centre.interface
        addresses = (f"addr add {address} dev {name}" for address in centre.addresses)
        # Without delay, and without a querier no multicast group would be known.
        switch = f"link add {name} type bridge forward_delay 0 mcast_snooping 0"
        self.configure(centre.host, switch, *addresses, f"link set {name} up")
        calls = {f"bridge/bridge-nf-call-{kind}tables": "0" for kind in ("arp", "ip", "ip6")}
        self.set(centre.host, calls, where_present=True)  # what is switched is not forwarded
        for number, end in enumerate(others, 1):
            port = f"{name}.{number}"
            self.join(end, End(centre.host, port, []))
            self.configure(centre.host, f"link set {port} master {name}")
            if isolated:
                self.configure(centre.host, f"link set {port} type bridge_slave isolated on")

    def configure(self, host: str, *lines: str) -> None:
        """Give `ip` some lines of work on a host, such as `route add default via …`."""
        _run(("ip", "-n", self.namespace(host), "-batch", "-"), "\n".join(lines))

    def filter(self, host: str, rules: str) -> None:
        """Give `nft` rules for a host."""
        _run(self.command(host, "nft", "-f", "-"), rules)

    def within(self, host: str, act: Callable[[], T]) -> T:
        """Call `act` inside a host; a socket that it makes stays there for good.

        Only a thread made for this enters the namespace: the caller remains where it is.
        """

        def enter() -> T:
            with (_NAMESPACES / self.namespace(host)).open("rb") as namespace:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(namespace.fileno(), _CLONE_NEWNET):
                    raise NetworkFailed(f"entering {host}: {os.strerror(ctypes.get_errno())}")
            return act()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(enter).result()


def missing() -> str | None:
    """Say what a network lacks on this machine; None when one could be built and was removed."""
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"{', '.join(absent)} not installed"
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        with Network() as attempt:
            attempt.add_host("attempt")
            attempt.filter("attempt", "table inet attempt\n")
    except NetworkFailed as failure:
        return str(failure)
    return None


def _run(command: Sequence[str], text: str = "") -> None:
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise NetworkFailed(f"{' '.join(command)}: {done.stderr.strip()}")
