"""Rules on where the probe stands: what it sees counts only on the device's own way out."""

from __future__ import annotations

from handshake_probe.diagnose.active.case import ProbeCase
from handshake_probe.diagnose.judgement import Clue, Judgement, undecided
from handshake_probe.model.probed import Connect
from handshake_probe.model.vocabulary import Cause, Mechanism


def elsewhere(case: ProbeCase) -> Clue | None:
    """Why this machine's way to the cloud is not the device's; None when nothing says so."""
    vantage = case.vantage
    if vantage is None:
        return None
    if vantage.through_tunnel:
        return Clue(
            "HP160",
            f"Packets to the cloud leave by {vantage.interface}, a tunnel (VPN): "
            "the device does not use it.",
            (vantage.id,),
        )
    if vantage.device_network is False:
        return Clue(
            "HP160",
            f"The device's address {vantage.device} is not in this machine's network "
            f"{vantage.network or vantage.address or ''}".rstrip()
            + ".",
            (vantage.id,),
        )
    return None


def not_connected(case: ProbeCase) -> Judgement | None:
    """Nothing could leave this machine at all."""
    tried = [a for a in case.attempts if a.purpose == "cloud"]
    if any(a.outcome is not Connect.NOT_SENT for a in tried):
        return None
    vantage = case.vantage
    if not tried and (vantage is None or vantage.address is not None):
        return None
    evidence = tuple(item.id for item in (vantage, *tried[:2]) if item is not None)
    return undecided(
        (Cause.NETWORK_BLOCKED, Cause.HEALTHY),
        Mechanism.NO_TRAFFIC,
        Clue("HP161", "This machine has no route to the cloud: nothing was sent.", evidence),
        "This machine is not connected, so it cannot say anything about the device's network.",
        "Join the device's own Wi-Fi with this machine, then probe again.",
    )


def ipv6_alone(case: ProbeCase) -> Clue | None:
    """This machine has no way out by IPv4; the firmware of Photon, P1 and Core knows no other."""
    vantage = case.vantage
    if vantage is None or not case.without_ipv4:
        return None
    nat64 = next((q for q in case.lookups if q.purpose == "nat64" and q.addresses), None)
    text = "This machine has a default route for IPv6 and none for IPv4"
    if nat64 is not None:
        text += f"; the network translates ({nat64.addresses[0]} for an IPv4 address)"
    return Clue("HP179", f"{text}.", tuple(o.id for o in (vantage, nat64) if o is not None))


def without_ipv4(case: ProbeCase) -> Judgement | None:
    """There is no IPv4 here, and nothing could be tried by IPv6."""
    clue = ipv6_alone(case)
    if clue is None or any(a.outcome is not Connect.NOT_SENT for a in case.attempts):
        return None
    return undecided(
        (Cause.NETWORK_BLOCKED, Cause.HEALTHY),
        Mechanism.NO_IPV4,
        clue,
        "Through this machine's network there is no way out by IPv4, and a Photon, P1 or Core "
        "speaks nothing else.",
        "The router's list of DHCP clients: does the device get an IPv4 address there?",
    )


def doubted(judgement: Judgement, clue: Clue) -> Judgement:
    """The same facts from another path: shown, and no conclusion drawn."""
    candidates = dict.fromkeys((*judgement.candidates, Cause.NETWORK_BLOCKED, Cause.HEALTHY))
    return undecided(
        tuple(c for c in candidates if c is not Cause.INCONCLUSIVE),
        Mechanism.OTHER_PATH,
        clue,
        "This machine is not on the device's way to the cloud. "
        f"What it saw on its own way: {judgement.summary}",
        "Disconnect the VPN, or join the device's own Wi-Fi with this machine; then probe again.",
        *judgement.clues,
    )
