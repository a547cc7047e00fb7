"""The network of a scenario: each device on a link of its own, routers in a row, the cloud.

    laptop  192.168.1.3 ┐                                                       cloud 10.77.0.2
    device  192.168.1.2 ┴ 192.168.1.1 lan1 ┐                                      │
                                           router1 wan ── lan router2 wan 10.77.0.1
    device2 192.168.2.2 ─ 192.168.2.1 lan2 ┘ 10.66.0.1  10.66.0.2 net 10.78.0.1
                                                                   │
                                                      internet 10.78.0.2, 8.8.8.8, 1.1.1.1

With one router, that has 10.77.0.1 and 10.78.0.1; with none, there is no internet, and the cloud
has 192.168.1.1 and 192.168.1.10. A shaper is a host in the middle of the cloud's cable, without
addresses. A laptop makes the first link a switched one; its tunnel ends at the last router.
`lab.plan` has the addresses.
"""

from __future__ import annotations

from functools import partial

from handshake_probe.lab import plan
from handshake_probe.lab.network import End, Network
from handshake_probe.lab.scenario import (
    CLOUD,
    INTERNET,
    LAPTOP,
    ROUTERS,
    SHAPER,
    Rule,
    Scenario,
)
from handshake_probe.lab.shaper import send_as_on_a_wire

BOX_PORT = 8080  # where a box on a router listens
SHAPER_ENDS = ("near", "far")  # its interfaces: to the router, to the cloud

_ANY_USER = "0 2147483647"  # may ping, as on desktops
_HOST_INTERFACE = "eth0"
_CHAINS = """\
table inet lab {
 chain forward { type filter hook forward priority 0; }
 chain input { type filter hook input priority 0; }
 chain output { type filter hook output priority 0; }
}
"""
_MASQUERADE = """\
table inet translation {
 chain out { type nat hook postrouting priority 100; oifname { wan, net } masquerade; }
}
"""
_DIVERSION = """\
table inet diversion {
 chain diversion { type nat hook prerouting priority -100; }
}
"""
_TO_BOX = f"tcp dport {plan.PORT} redirect to :{BOX_PORT}"
_TABLES = {"diversion": "inet diversion"}  # of chains; else `inet lab`


def captured_on(scenario: Scenario) -> tuple[str, str]:
    """Return the host and the interface where the capture is taken."""
    return {
        "device": (scenario.device_host(0), _HOST_INTERFACE),
        "lan": (ROUTERS[0], "lan1"),
        "wan": (ROUTERS[0], "wan"),
        "cloud": (CLOUD, _HOST_INTERFACE),
    }[scenario.capture]


def build(network: Network, scenario: Scenario) -> None:
    """Build everything, with the rules that hold from the beginning."""
    for host in scenario.hosts:
        network.add_host(host, ipv6=scenario.ip == 6)
    _join_first_link(network, scenario)
    if scenario.routers:
        _join_more_devices(network, scenario)
        _join_routers(network, scenario)
    for index in range(len(scenario.devices)):
        route = f"route add default via {plan.gateway(scenario, index)}"
        network.configure(scenario.device_host(index), route)
    if scenario.laptop:
        _route_laptop(network, scenario)
    if scenario.nat:
        network.filter(ROUTERS[0], _MASQUERADE)
    for host in scenario.hosts:
        network.filter(host, _CHAINS)
    # Only where it is needed: a NAT chain makes a host track connections, and reassemble.
    diverting = {rule.on for rule in scenario.rules if rule.chain == "diversion"}
    for host in diverting | {box.on for box in scenario.boxes}:
        network.filter(host, _DIVERSION)
    for box in scenario.boxes:
        add_rule(network, Rule(on=box.on, rule=_TO_BOX, chain="diversion"))
    for rule in scenario.rules:
        if not rule.at:
            add_rule(network, rule)
    for host, settings in scenario.settings.items():  # last: the rules make some of the files
        network.set(host, settings)


def add_rule(network: Network, rule: Rule) -> None:
    """Let a rule hold from now on."""
    table = _TABLES.get(rule.chain, "inet lab")
    network.filter(rule.on, f"add rule {table} {rule.chain} {rule.rule}\n")


def _end(scenario: Scenario, host: str, interface: str, link: int, number: int) -> End:
    return End(host, interface, [plan.with_length(scenario, link, number)])


def _device_end(scenario: Scenario, index: int) -> End:
    return _end(scenario, scenario.device_host(index), _HOST_INTERFACE, index + 1, 2)


def _join_first_link(network: Network, scenario: Scenario) -> None:
    """Join the first device and a laptop beside it to their router, or to the cloud itself."""
    gateway = _end(scenario, ROUTERS[0], "lan1", 1, 1)
    if not scenario.routers:
        own = plan.with_length(scenario, *plan.cloud_place(scenario))
        gateway = End(CLOUD, _HOST_INTERFACE, [own, *gateway.addresses])
    device, laptop = _device_end(scenario, 0), scenario.laptop
    if laptop is None or laptop.way == "guest":
        network.join(device, gateway)
    else:
        beside = _end(scenario, LAPTOP, _HOST_INTERFACE, 1, 3)
        network.join_all(gateway, (device, beside), isolated=laptop.isolated)


def _join_more_devices(network: Network, scenario: Scenario) -> None:
    for index in range(1, len(scenario.devices)):
        gateway = _end(scenario, ROUTERS[0], f"lan{index + 1}", index + 1, 1)
        network.join(_device_end(scenario, index), gateway)


def _route_laptop(network: Network, scenario: Scenario) -> None:
    """Give the laptop its own way into the world."""
    assert scenario.laptop is not None
    network.set(LAPTOP, {"ipv4/ping_group_range": _ANY_USER})
    gateway = plan.laptop_gateway(scenario)
    if scenario.laptop.way == "vpn":
        gateway = plan.address(scenario, plan.TUNNEL, 1)
        network.join(
            _end(scenario, LAPTOP, "tun0", plan.TUNNEL, 2),
            _end(scenario, ROUTERS[scenario.routers - 1], "vpn", plan.TUNNEL, 1),
        )
    elif scenario.laptop.way == "guest":
        network.join(
            _end(scenario, LAPTOP, _HOST_INTERFACE, plan.GUEST, 2),
            _end(scenario, ROUTERS[0], "guest", plan.GUEST, 1),
        )
    network.configure(LAPTOP, f"route add default via {gateway}")


def _join_routers(network: Network, scenario: Scenario) -> None:
    first, last = ROUTERS[0], ROUTERS[scenario.routers - 1]
    forwarding = "ipv6/conf/all/forwarding" if scenario.ip == 6 else "ipv4/ip_forward"
    for router in {first, last}:
        network.set(router, {forwarding: "1"})
    if first != last:
        network.join(
            _end(scenario, first, "wan", plan.MIDDLE, 1),
            _end(scenario, last, "lan", plan.MIDDLE, 2),
        )
        beyond, before = (plan.address(scenario, plan.MIDDLE, host) for host in (2, 1))
        network.configure(first, f"route add default via {beyond}")
        network.configure(last, f"route add {plan.homes(scenario)} via {before}")
    _join_internet(network, scenario, last)
    router_end = _end(scenario, last, "wan", plan.CLOUD_LINK, 1)
    cloud_end = _end(scenario, CLOUD, _HOST_INTERFACE, *plan.cloud_place(scenario))
    if scenario.shaper:
        network.add_host(SHAPER)
        for end, interface in zip((router_end, cloud_end), SHAPER_ENDS, strict=True):
            network.join(end, End(SHAPER, interface, []))
            network.within(end.host, partial(send_as_on_a_wire, end.interface))
    else:
        network.join(router_end, cloud_end)
    gateway = plan.address(scenario, plan.CLOUD_LINK, 1)
    network.configure(CLOUD, f"route add default via {gateway}")


def _join_internet(network: Network, scenario: Scenario, router: str) -> None:
    network.join(
        _end(scenario, router, "net", plan.INTERNET_LINK, 1),
        _end(scenario, INTERNET, _HOST_INTERFACE, plan.INTERNET_LINK, 2),
    )
    network.configure(router, f"route add default via {plan.internet(scenario)}")
    own = (f"addr add {address} dev lo" for address in plan.public_resolvers(scenario))
    gateway = plan.address(scenario, plan.INTERNET_LINK, 1)
    network.configure(INTERNET, *own, f"route add default via {gateway}")
