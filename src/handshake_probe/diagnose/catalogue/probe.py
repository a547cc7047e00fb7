"""Findings of the active probe (HP160 to HP185)."""

from __future__ import annotations

from handshake_probe.diagnose.catalogue.entry import ERROR, INFO, WARNING, entry
from handshake_probe.diagnose.catalogue.network import ALLOW

ENTRIES = (
    entry(
        "HP160",
        "This machine is not on the device's path",
        WARNING,
        "The probe's packets leave by another way than the device's, so what it sees says nothing "
        "about the device's network.",
        "The route to the cloud leads into a tunnel (VPN), or the device's address is not in the "
        "subnet of this machine.",
        "A device that uses the same tunnel, on a router that tunnels everything.",
        "Disconnect the VPN on this machine, join the device's own Wi-Fi, and probe again.",
    ),
    entry(
        "HP161",
        "Nothing was sent to the cloud",
        WARNING,
        "This machine has no route, or the probe ended before the cloud's port was tried.",
        "No default route, or every attempt failed on this machine itself.",
        "A firewall on this machine that forbids the program to send.",
        "Join the device's own Wi-Fi with this machine, and probe again.",
    ),
    entry(
        "HP162",
        "The network carries the handshake",
        INFO,
        "The cloud's port is open and carries what a device's handshake needs.",
        "At least two connections with different nonces of 40 random bytes; the 256 bytes of a "
        "made-up device were acknowledged, when they were sent.",
        "A per-device rule: the network may treat the device otherwise than this machine. "
        "A capture of the device's own attempts shows it.",
        "The network is fine from here. Look at the device's keys: capture its own attempt and run "
        "`handshake-probe analyze`.",
        "One red flash on the device means that its handshake fails, not its network.",
    ),
    entry(
        "HP163",
        "The DNS server answers every name",
        WARNING,
        "A name that cannot exist gets an address: the DNS server is a login page's or a filter's.",
        "A random name below the cloud's own is answered with an address.",
        "A private cloud with a wildcard record.",
        "Log in to the network, or ask for the device to be exempted: it cannot log in.",
    ),
    entry(
        "HP164",
        "The DNS servers disagree",
        WARNING,
        "Some of the network's DNS servers give the cloud's address, others do not; a device that "
        "asks the wrong one fails at times.",
        "The same question to every configured resolver.",
        "A resolver that was slow once.",
        "Take the failing server out of the network's DHCP settings, or repair it.",
    ),
    entry(
        "HP165",
        "Control: another port of the same host answers",
        INFO,
        "The cloud's host is up and its packets come back: the cloud's port alone is affected.",
        "A connection to another port of the same address is accepted or refused.",
        "A firewall that answers for the host: its reset may be forged as well.",
    ),
    entry(
        "HP167",
        "Some of the cloud's addresses fail",
        WARNING,
        "The cloud's name has several addresses, and not all of them work from here.",
        "The same tests on every address.",
        "One server of the cloud that is down for a moment.",
        *ALLOW,
    ),
    entry(
        "HP168",
        "Some attempts fail",
        WARNING,
        "Connections to the cloud come up at times and fail at times.",
        "Several attempts at one address with different outcomes.",
        "A limit on connections in a short time: the later ones fail and it works again later.",
        "Look for loss on this network: `ping` the router, then the outside, for a minute each.",
    ),
    entry(
        "HP169",
        "The newer generation's port is unconfirmed",
        INFO,
        "UDP 5684, which newer devices use instead of TCP 5683, gave no answer. That alone is no "
        "proof: a cloud may ignore a stranger.",
        "A DTLS ClientHello or a CoAP ping, three tries.",
        "Any answer on this port.",
        "Only for Argon, Boron, Photon 2, P2 and later: ask for outbound UDP port 5684.",
    ),
    entry(
        "HP170",
        "The newer generation's port answers",
        INFO,
        "UDP to the cloud passes: newer devices reach it.",
        "A HelloVerifyRequest, an alert, or a CoAP reset came back.",
        "Somebody else who answers in the cloud's place.",
    ),
    entry(
        "HP171",
        "The device's own internet test passes",
        INFO,
        "What the firmware tries after a failed connection works from here: a failing device "
        "blinks orange three times, not twice.",
        "The same test as the firmware's, from this machine.",
        "A per-device rule.",
    ),
    entry(
        "HP172",
        "The handshake in the device's place completes",
        INFO,
        "With the device's own key the whole handshake passes from this network.",
        "Nonce, identity, credentials, both Hellos and pings with the given key.",
        "The device may read its key otherwise than this program: `handshake-probe keys check`.",
        "What is left is in the device: write its server key again (`particle keys server`), "
        "then its firmware.",
    ),
    entry(
        "HP173",
        "The path keeps silent connections",
        INFO,
        "A connection survives a pause that is longer than the firmware ever makes.",
        "A connection that was left silent and used again.",
        "A box that forgets connections only under load.",
    ),
    entry(
        "HP174",
        "The path forgets silent connections",
        ERROR,
        "A router or firewall drops a connection that was silent for a while, so the device's "
        "session breaks between two pings.",
        "Connections that were left silent for different times: the longer ones are dead.",
        "A cloud that closes silent connections by itself.",
        "Ask the network's administrator for a TCP idle timeout of at least 2 hours for port "
        "{port} (RFC 5382).",
    ),
    entry(
        "HP175",
        "The probe's own packets were not recorded",
        INFO,
        "Hop limits and timing of the packets themselves could not be used as evidence.",
        "The capture that was asked for could not be made.",
        "A privilege that is given: see `handshake-probe doctor`.",
    ),
    entry(
        "HP179",
        "No way out by IPv4",
        WARNING,
        "The network gives this machine IPv6 alone; a Photon, P1 or Core speaks IPv4 alone.",
        "A default route for IPv6 and none for IPv4.",
        "A device that gets an IPv4 address where this machine does not.",
        "Give the device's network IPv4 (DHCP), or put the device into one that has it.",
    ),
    entry(
        "HP180",
        "The network treats this device otherwise",
        ERROR,
        "Another machine in the same network gets through to the cloud, this device does not: a "
        "rule for the device, its group or its Wi-Fi stops it.",
        "A probe that passes within an hour of a capture in which the device's connections fail.",
        "A probe from another subnet or Wi-Fi than the device's.",
        "Ask the network's administrator which rule applies to {device}: address, MAC, VLAN, group "
        "or quarantine. Other machines in its network reach TCP port {port}.",
    ),
    entry(
        "HP181",
        "A probe at another time passes",
        INFO,
        "The network carried the handshake when the probe ran, which was not when the device "
        "failed.",
        "More than an hour between capture and probe.",
        "A fault that comes and goes.",
        "Probe while the device fails: blinking cyan.",
    ),
    entry(
        "HP182",
        "The probe is stopped as well",
        INFO,
        "Not the device alone is affected: another machine in its network is stopped, too.",
        "Capture and probe both end in the network.",
        "Two different faults at once.",
        *ALLOW,
    ),
    entry(
        "HP183",
        "The probe rules the network out",
        INFO,
        "The network carries a handshake from this place, so the device's failure has another "
        "cause.",
        "A probe that passes, beside a capture that could not tell network from peer.",
        "A rule for this device alone.",
    ),
    entry(
        "HP184",
        "The device's key passes, the device does not",
        ERROR,
        "The cloud accepts this device's id and key from the probing machine, so what differs lies "
        "in the device's flash or firmware.",
        "A stand-in handshake that completes, beside a capture of the device's own failure.",
        "A key file that is not what the device holds.",
        "Write the server key again (`particle keys server`), then check the key file: "
        "`handshake-probe keys check`.",
    ),
    entry(
        "HP178",
        "Nothing outside answers",
        ERROR,
        "No test got an answer from beyond this network: there is no way out at all from here.",
        "Public resolvers, the cloud and its other ports are all silent.",
        "A network that allows nothing but a proxy.",
        "Check the internet connection itself before anything else.",
    ),
)
