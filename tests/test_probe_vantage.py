"""Where a machine stands, on machines made of namespaces; without privilege as well."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from handshake_probe.lab import network
from handshake_probe.lab.network import End, Network
from handshake_probe.model.probed import VantageSeen
from handshake_probe.probe import vantage
from handshake_probe.probe.system_names import SystemResolvers
from handshake_probe.probe.vantage import look_around
from udp_room import LAPTOP, OUTSIDE, ROUTER, home, ids

LACK = network.missing()
needs_network = pytest.mark.skipif(LACK is not None, reason=f"no network: {LACK}")

needs_tun = pytest.mark.skipif(
    not os.access("/dev/net/tun", os.R_OK | os.W_OK), reason="no /dev/net/tun"
)

RESOLVERS = SystemResolvers(("10.66.0.1",), None)
OFFICE = "10.77.0"  # a second network of the laptop


@pytest.fixture
def net() -> Iterator[Network]:
    with home() as net:
        yield net


def seen(net: Network, target: str | None = OUTSIDE, device: str | None = None) -> VantageSeen:
    return net.within(
        "laptop", lambda: look_around(target, ids(), resolvers=RESOLVERS, device=device)
    )


def add_office(net: Network, metric: int) -> None:
    net.add_host("office")
    net.join(End("laptop", "eth1", [f"{OFFICE}.2/25"]), End("office", "eth0", [f"{OFFICE}.1/25"]))
    net.configure("laptop", f"route add default via {OFFICE}.1 metric {metric}")


def add_tunnel(net: Network, mode: str = "tun", address: str = "10.8.0.2/24") -> None:
    net.configure(
        "laptop",
        f"tuntap add dev vpn0 mode {mode}",
        f"addr add {address} dev vpn0",
        "link set vpn0 up",
    )


@needs_network
def test_a_laptop_at_home(net: Network) -> None:
    there = seen(net, device="10.66.0.77")
    assert there.id == "o1"
    assert there.system == platform.system()
    assert (there.interface, there.address, there.network) == ("eth0", LAPTOP, "10.66.0.0/24")
    assert (there.gateway, there.default_routes, there.ip_versions) == (ROUTER, ["eth0"], [4])
    assert (there.tunnels, there.through_tunnel, there.wifi) == ([], False, None)
    assert (there.resolvers, there.resolver_stub) == (["10.66.0.1"], None)
    assert (there.device, there.device_network) == ("10.66.0.77", True)
    assert there.error_queue is True


@needs_network
def test_a_device_elsewhere(net: Network) -> None:
    assert seen(net, device="10.67.0.77").device_network is False
    assert seen(net, device="2001:db8::1").device_network is False
    assert seen(net).device_network is None


@needs_network
@pytest.mark.parametrize(("metric", "order"), [(50, ["eth1", "eth0"]), (600, ["eth0", "eth1"])])
def test_two_default_routes(net: Network, metric: int, order: list[str]) -> None:
    net.configure(
        "laptop", f"route replace default via {ROUTER} metric 100", "route del default metric 0"
    )
    add_office(net, metric)
    there = seen(net)
    assert there.default_routes == order
    assert there.interface == order[0]
    assert there.network == {"eth0": "10.66.0.0/24", "eth1": f"{OFFICE}.0/25"}[order[0]]
    assert seen(net, None).interface == order[0]


@needs_network
def test_a_route_of_its_own_to_the_cloud(net: Network) -> None:
    add_office(net, 600)
    net.configure("laptop", f"route add {OUTSIDE}/32 via {OFFICE}.1")
    there = seen(net)
    assert (there.interface, there.gateway) == ("eth1", f"{OFFICE}.1")
    assert there.default_routes == ["eth0", "eth1"]


@needs_network
@needs_tun
@pytest.mark.parametrize("mode", ["tun", "tap"])
def test_a_vpn_as_the_default_route(net: Network, mode: str) -> None:
    add_tunnel(net, mode)
    net.configure("laptop", "route del default", "route add default dev vpn0")
    there = seen(net, device="10.66.0.77")
    assert (there.interface, there.address, there.network) == ("vpn0", "10.8.0.2", "10.8.0.0/24")
    assert (there.tunnels, there.through_tunnel, there.gateway) == (["vpn0"], True, None)
    assert there.device_network is False


@needs_network
@needs_tun
def test_a_vpn_that_leaves_the_default_route_alone(net: Network) -> None:
    """The two halves of the address space are more specific than the default route."""
    add_tunnel(net)
    net.configure("laptop", "route add 0.0.0.0/1 dev vpn0", "route add 128.0.0.0/1 dev vpn0")
    there = seen(net)
    assert there.default_routes == ["eth0"]
    assert (there.interface, there.through_tunnel) == ("vpn0", True)


@needs_network
@needs_tun
def test_a_vpn_with_a_routing_table_of_its_own(net: Network) -> None:
    add_tunnel(net)
    net.configure(
        "laptop",
        "route add default dev vpn0 table 51820",
        "rule add not fwmark 51820 table 51820",
        "rule add table main suppress_prefixlength 0",
    )
    there = seen(net)
    assert there.default_routes == ["eth0"]
    assert (there.interface, there.address, there.through_tunnel) == ("vpn0", "10.8.0.2", True)


@needs_network
@needs_tun
def test_a_vpn_that_does_not_lead_to_the_cloud(net: Network) -> None:
    add_tunnel(net)
    there = seen(net)
    assert (there.interface, there.tunnels, there.through_tunnel) == ("eth0", ["vpn0"], False)


@needs_network
def test_a_tunnel_by_its_name_alone(net: Network) -> None:
    """Some drivers do not say what they are."""
    net.configure("laptop", "link set eth0 down", "link set eth0 name tun3", "link set tun3 up")
    net.configure("laptop", f"route add default via {ROUTER}")
    there = seen(net)
    assert (there.interface, there.tunnels, there.through_tunnel) == ("tun3", ["tun3"], True)


@needs_network
@needs_tun
def test_what_is_no_vpn(net: Network) -> None:
    """A virtual machine's port has no address; a tunnel that is down leads nowhere."""
    net.configure(
        "laptop",
        "tuntap add dev vnet0 mode tap",
        "link set vnet0 up",
        "tuntap add dev down0 mode tun",
        "addr add 10.8.1.2/24 dev down0",
    )
    assert seen(net).tunnels == []


@needs_network
@pytest.mark.parametrize("instead", [None, "route add unreachable default"])
def test_no_route_at_all(net: Network, instead: str | None) -> None:
    net.configure("laptop", "route del default", *([instead] if instead else []))
    for target in (OUTSIDE, None):
        there = seen(net, target, device="10.66.0.77")
        assert (there.interface, there.address, there.network, there.gateway) == (None,) * 4
        assert (there.default_routes, there.ip_versions, there.device_network) == ([], [], None)


@needs_network
def test_several_gateways_share_the_load(net: Network) -> None:
    add_office(net, 600)
    net.configure(
        "laptop",
        "route del default",
        f"route replace default nexthop via {ROUTER} nexthop via {OFFICE}.1",
    )
    assert sorted(seen(net).default_routes) == ["eth0", "eth1"]


@needs_network
def test_ipv6_only(net: Network) -> None:
    net.configure("laptop", "route del default", f"addr del {LAPTOP}/24 dev eth0")
    net.set("laptop", {"ipv6/conf/eth0/disable_ipv6": "0", "ipv6/conf/eth0/accept_dad": "0"})
    net.configure(
        "laptop", "addr add 2001:db8:1::2/64 dev eth0 nodad", "route add default via 2001:db8:1::1"
    )
    there = seen(net, "2001:db8:2::7", device="2001:db8:1::9")
    assert (there.address, there.network) == ("2001:db8:1::2", "2001:db8:1::/64")
    assert (there.gateway, there.ip_versions) == ("2001:db8:1::1", [6])
    assert there.device_network is True
    assert seen(net).address is None  # no way to an IPv4 address


@needs_network
def test_a_cloud_on_this_machine(net: Network) -> None:
    there = seen(net, "127.0.0.1", device="10.66.0.77")
    assert (there.interface, there.address, there.gateway) == ("lo", "127.0.0.1", None)
    assert there.device_network is None  # the loopback is nobody's network


@needs_network
def test_the_address_of_a_sinkhole_is_no_way(net: Network) -> None:
    there = seen(net, "0.0.0.0", device="10.66.0.77")
    assert (there.interface, there.address, there.gateway) == ("eth0", LAPTOP, ROUTER)
    assert there.device_network is True


PRINT = """
import sys
import msgspec
from handshake_probe.probe.system_names import SystemResolvers
from handshake_probe.probe.vantage import look_around
seen = look_around(sys.argv[1], lambda: "o1", resolvers=SystemResolvers((), None))
sys.stdout.buffer.write(msgspec.json.encode(seen))
"""


def alone(*before: str, path: str = os.environ["PATH"]) -> VantageSeen:
    """What a process of its own sees."""
    done = subprocess.run(
        [*before, sys.executable, "-c", PRINT, "127.0.0.1"],
        check=True,
        capture_output=True,
        env={"PATH": path, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    return msgspec.json.decode(done.stdout, type=VantageSeen)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="is unprivileged anyway")
@pytest.mark.skipif(sys.platform != "linux", reason="setpriv is Linux's")
def test_without_privilege() -> None:
    there = alone("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")
    assert (there.interface, there.network, there.error_queue) == ("lo", "127.0.0.0/8", True)


def test_without_iproute2(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's address on the way is known on every system; nothing else is made up."""
    monkeypatch.setattr(vantage, "_ENVIRONMENT", {"PATH": "/nowhere"})
    monkeypatch.setenv("PATH", "/nowhere")
    there = look_around("127.0.0.1", ids(), resolvers=RESOLVERS, device="127.0.0.2")
    assert (there.address, there.interface, there.network) == ("127.0.0.1", None, None)
    assert (there.ip_versions, there.default_routes, there.device_network) == (None, [], None)


def test_the_name_of_a_wireless_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`iw` escapes what is not ASCII."""
    tool = tmp_path / "iw"
    tool.write_text(
        "#!/bin/sh\n"
        'test "$*" = "dev wlan0 info" || exit 1\n'
        "printf 'Interface wlan0\\n\\tssid Caf\\\\xc3\\\\xa9 5 GHz\\n\\ttype managed\\n'\n"
    )
    tool.chmod(0o755)
    monkeypatch.setattr(vantage, "_ENVIRONMENT", {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert vantage._wifi("wlan0") == "Café 5 GHz"
    assert vantage._wifi("eth0") is None
