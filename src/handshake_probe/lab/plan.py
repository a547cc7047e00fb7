"""The addresses of a scenario, the same in each, so that rules can name them.

Links are numbered: the devices' are 1, 2, … (192.168.N.0/24), all others 10.N.0.0/24. With
`ip = 6` link N is 2001:db8:N::/64, and there are no other addresses. Hosts keep their number.
"""

from __future__ import annotations

from handshake_probe.lab.scenario import Scenario

PORT = 5683

MIDDLE, CLOUD_LINK, INTERNET_LINK, TUNNEL, GUEST = 66, 77, 78, 79, 9
_LAST_HOME = 9
_LOCAL_CLOUD = 10  # its number on the devices' own link
_PUBLIC_RESOLVERS = {
    4: ("8.8.8.8", "1.1.1.1"),
    6: ("2001:4860:4860::8888", "2606:4700:4700::1111"),
}


def address(scenario: Scenario, link: int, host: int) -> str:
    """Return the address of a host on a link."""
    if scenario.ip == 6:
        return f"2001:db8:{link}::{host}"
    return f"192.168.{link}.{host}" if link <= _LAST_HOME else f"10.{link}.0.{host}"


def with_length(scenario: Scenario, link: int, host: int) -> str:
    """Return the same with the length of its prefix."""
    return f"{address(scenario, link, host)}/{64 if scenario.ip == 6 else 24}"


def homes(scenario: Scenario) -> str:
    """Return the prefix of all links of devices."""
    return "2001:db8::/44" if scenario.ip == 6 else "192.168.0.0/16"


def device(scenario: Scenario, index: int) -> str:
    """Return a device's address."""
    return address(scenario, index + 1, 2)


def gateway(scenario: Scenario, index: int) -> str:
    """Return the address of a device's router and name server."""
    return address(scenario, index + 1, 1)


def cloud_place(scenario: Scenario) -> tuple[int, int]:
    """Return the cloud's link and number."""
    return (CLOUD_LINK, 2) if scenario.routers else (1, _LOCAL_CLOUD)


def cloud(scenario: Scenario) -> str:
    """Return the cloud's address."""
    return address(scenario, *cloud_place(scenario))


def internet(scenario: Scenario) -> str:
    """Return the address of the host that stands for the rest of the world."""
    return address(scenario, INTERNET_LINK, 2)


def public_resolvers(scenario: Scenario) -> tuple[str, ...]:
    """Return the well-known name servers, which the internet's host plays."""
    return _PUBLIC_RESOLVERS[scenario.ip]


def any_address(scenario: Scenario) -> str:
    """Return what stands for every address of a host."""
    return "::" if scenario.ip == 6 else "0.0.0.0"


def laptop_gateway(scenario: Scenario) -> str:
    """Return the address of the laptop's router and name server on its own link."""
    return address(scenario, GUEST, 1) if _is_guest(scenario) else gateway(scenario, 0)


def name_servers(scenario: Scenario) -> tuple[str, ...]:
    """Return the addresses of the routers on their links, all of them name servers."""
    gateways = tuple(gateway(scenario, index) for index in range(len(scenario.devices)))
    return (*gateways, laptop_gateway(scenario)) if _is_guest(scenario) else gateways


def seen_device(scenario: Scenario, index: int) -> str:
    """Return the address that the capture shows for a device."""
    if scenario.nat and scenario.capture in ("wan", "cloud"):
        return address(scenario, MIDDLE if scenario.routers > 1 else CLOUD_LINK, 1)
    return device(scenario, index)


def _is_guest(scenario: Scenario) -> bool:
    return scenario.laptop is not None and scenario.laptop.way == "guest"
