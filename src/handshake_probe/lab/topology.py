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
"""

from __future__ import annotations

from functools import partial

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

PORT = 5683
BOX_PORT = 8080  # where a box on a router listens
SHAPER_ENDS = ("near", "far")  # its interfaces: to the router, to the cloud

PUBLIC_RESOLVERS = ("8.8.8.8", "1.1.1.1")

_CLOUD_LINK, _MIDDLE_LINK, _INTERNET_LINK = "10.77.0", "10.66.0", "10.78.0"
_TUNNEL_LINK, _GUEST_LINK = "10.79.0", "192.168.9"
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
table ip translation {
 chain out { type nat hook postrouting priority 100; oifname { wan, net } masquerade; }
}
"""
_DIVERSION = """\
table ip diversion {
 chain diversion { type nat hook prerouting priority -100; }
}
"""
_TO_BOX = f"tcp dport {PORT} redirect to :{BOX_PORT}"
_TABLES = {"diversion": "ip diversion"}  # of chains; else `inet lab`


def device_address(index: int) -> str:
    """Return a device's address."""
    return f"192.168.{index + 1}.2"


def gateway_address(index: int) -> str:
    """Return the address of a device's router and name server."""
    return f"192.168.{index + 1}.1"


def cloud_address(scenario: Scenario) -> str:
    """Return the cloud's address."""
    return f"{_CLOUD_LINK}.2" if scenario.routers else "192.168.1.10"


def name_servers(scenario: Scenario) -> tuple[str, ...]:
    """Return the addresses of the routers on their links, all of them name servers."""
    guest = scenario.laptop is not None and scenario.laptop.way == "guest"
    gateways = tuple(gateway_address(index) for index in range(len(scenario.devices)))
    return (*gateways, laptop_gateway(scenario)) if guest else gateways


def internet_address() -> str:
    """Return the address of the host that stands for the rest of the world."""
    return f"{_INTERNET_LINK}.2"


def laptop_gateway(scenario: Scenario) -> str:
    """Return the address of the laptop's router and name server on its own link."""
    guest = scenario.laptop is not None and scenario.laptop.way == "guest"
    return f"{_GUEST_LINK}.1" if guest else gateway_address(0)


def seen_address(scenario: Scenario, index: int) -> str:
    """Return the address that the capture shows for a device."""
    if scenario.nat and scenario.capture in ("wan", "cloud"):
        return f"{_MIDDLE_LINK if scenario.routers > 1 else _CLOUD_LINK}.1"
    return device_address(index)


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
        network.add_host(host)
    _join_first_link(network, scenario)
    if scenario.routers:
        _join_more_devices(network, scenario)
        _join_routers(network, scenario)
    for index in range(len(scenario.devices)):
        route = f"route add default via {gateway_address(index)}"
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


def _device_end(scenario: Scenario, index: int) -> End:
    return End(scenario.device_host(index), _HOST_INTERFACE, [f"{device_address(index)}/24"])


def _join_first_link(network: Network, scenario: Scenario) -> None:
    """Join the first device and a laptop beside it to their router, or to the cloud itself."""
    if scenario.routers:
        gateway = End(ROUTERS[0], "lan1", [f"{gateway_address(0)}/24"])
    else:
        addresses = [f"{cloud_address(scenario)}/24", f"{gateway_address(0)}/24"]
        gateway = End(CLOUD, _HOST_INTERFACE, addresses)
    device, laptop = _device_end(scenario, 0), scenario.laptop
    if laptop is None or laptop.way == "guest":
        network.join(device, gateway)
    else:
        beside = End(LAPTOP, _HOST_INTERFACE, ["192.168.1.3/24"])
        network.join_all(gateway, (device, beside), isolated=laptop.isolated)


def _join_more_devices(network: Network, scenario: Scenario) -> None:
    for index in range(1, len(scenario.devices)):
        gateway = End(ROUTERS[0], f"lan{index + 1}", [f"{gateway_address(index)}/24"])
        network.join(_device_end(scenario, index), gateway)


def _route_laptop(network: Network, scenario: Scenario) -> None:
    """Give the laptop its own way into the world."""
    assert scenario.laptop is not None
    network.set(LAPTOP, {"ipv4/ping_group_range": _ANY_USER})
    gateway = laptop_gateway(scenario)
    if scenario.laptop.way == "vpn":
        gateway = f"{_TUNNEL_LINK}.1"
        network.join(
            End(LAPTOP, "tun0", [f"{_TUNNEL_LINK}.2/24"]),
            End(ROUTERS[scenario.routers - 1], "vpn", [f"{gateway}/24"]),
        )
    elif scenario.laptop.way == "guest":
        network.join(
            End(LAPTOP, _HOST_INTERFACE, [f"{_GUEST_LINK}.2/24"]),
            End(ROUTERS[0], "guest", [f"{gateway}/24"]),
        )
    network.configure(LAPTOP, f"route add default via {gateway}")


def _join_routers(network: Network, scenario: Scenario) -> None:
    first, last = ROUTERS[0], ROUTERS[scenario.routers - 1]
    for router in {first, last}:
        network.set(router, {"ipv4/ip_forward": "1"})
    if first != last:
        network.join(
            End(first, "wan", [f"{_MIDDLE_LINK}.1/24"]), End(last, "lan", [f"{_MIDDLE_LINK}.2/24"])
        )
        network.configure(first, f"route add default via {_MIDDLE_LINK}.2")
        network.configure(last, f"route add 192.168.0.0/16 via {_MIDDLE_LINK}.1")
    world = End(INTERNET, _HOST_INTERFACE, [f"{internet_address()}/24"])
    network.join(End(last, "net", [f"{_INTERNET_LINK}.1/24"]), world)
    network.configure(last, f"route add default via {internet_address()}")
    own = (f"addr add {address}/32 dev lo" for address in PUBLIC_RESOLVERS)
    network.configure(INTERNET, *own, f"route add default via {_INTERNET_LINK}.1")
    router_end = End(last, "wan", [f"{_CLOUD_LINK}.1/24"])
    cloud_end = End(CLOUD, _HOST_INTERFACE, [f"{cloud_address(scenario)}/24"])
    if scenario.shaper:
        network.add_host(SHAPER)
        for end, interface in zip((router_end, cloud_end), SHAPER_ENDS, strict=True):
            network.join(end, End(SHAPER, interface, []))
            network.within(end.host, partial(send_as_on_a_wire, end.interface))
    else:
        network.join(router_end, cloud_end)
    network.configure(CLOUD, f"route add default via {_CLOUD_LINK}.1")
