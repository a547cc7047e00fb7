"""Findings on the capture as evidence (HP6xx)."""

from __future__ import annotations

from handshake_probe.diagnose.catalogue.entry import INFO, WARNING, entry
from handshake_probe.diagnose.unseen import UNFILTERED

LONGER = ("Capture again for at least 60 seconds, and press the device's reset button meanwhile.",)

ENTRIES = (
    entry(
        "HP601",
        "The capture is damaged",
        WARNING,
        "The file ends or breaks in the middle; what lies before was analysed.",
        "A record that is cut short or impossible.",
        "Nothing.",
        "Copy the file again, or stop the capture properly.",
    ),
    entry(
        "HP602",
        "Packets are cut off",
        INFO,
        "The capture keeps only the first bytes of each packet; keys cannot be tested on the rest.",
        "Captured length below the length on the wire.",
        "Nothing.",
        "Capture with full packets (snap length 0).",
    ),
    entry(
        "HP603",
        "The capture starts late",
        INFO,
        "The connection was running already; its key exchange is not in the capture.",
        "No SYN of this connection.",
        "Nothing.",
        *LONGER,
    ),
    entry(
        "HP604",
        "The capture lost frames",
        WARNING,
        "Bytes are missing that their receiver acknowledged, or they come long after that: the "
        "capture lost them, or its frames are out of order.",
        "Acknowledged sequence numbers without data, or with data that comes later.",
        "Nothing.",
        "Capture on a less busy interface, or with a larger buffer; before two captures are "
        "merged, set their clocks right (`editcap -t`).",
    ),
    entry(
        "HP605",
        "The capture ends early",
        INFO,
        "The capture ends while the handshake is still running.",
        "The last frame comes before a step's time is up.",
        "Nothing.",
        *LONGER,
    ),
    entry(
        "HP606",
        "No handshake traffic",
        INFO,
        "Nothing in this capture belongs to a device's cloud connection over TCP.",
        "No connection on the known ports, none of the handshake's shape on others, "
        "no question for a cloud name.",
        "Traffic on a port or an interface that was not captured.",
        "Capture on the device's own Wi-Fi or on the router, for 130 seconds or more: "
        "the device may wait that long between two attempts.",
    ),
    entry(
        "HP607",
        "UDP 5684 traffic",
        INFO,
        "A device of a newer generation speaks DTLS over UDP 5684; this tool judges TCP.",
        "Datagrams to or from UDP port 5684.",
        "Nothing.",
        "For such a device UDP port 5684 must be open outbound.",
    ),
    entry(
        "HP608",
        "The handshake runs on another port",
        INFO,
        "The handshake was found by its shape on a port that nobody named.",
        "40, 256 and 384 bytes in turn.",
        "Nothing.",
        "Name the port with `--port` to have every connection judged.",
    ),
    entry(
        "HP610",
        "A memory limit was reached",
        WARNING,
        "A connection or the capture exceeds what is kept in memory; the rest was not read.",
        "The bounds of streams, connections and tables.",
        "Nothing.",
        "Cut the capture down to the device's address and port.",
    ),
    entry(
        "HP613",
        "Encrypted Wi-Fi frames",
        WARNING,
        "The capture was taken on the air, and its frames are encrypted: their content is hidden.",
        "802.11 data frames with the protected bit set.",
        "Nothing.",
        "Capture on the router or the access point's wired side, or decrypt the capture first.",
    ),
    entry(
        "HP614",
        "Overlapping IP fragments",
        WARNING,
        "Fragments of one packet overlap, so it is not read: a fault, or somebody hides something.",
        "Two fragments that cover the same bytes of one packet.",
        "Nothing.",
        "Look at the sender of these fragments.",
    ),
    entry(
        "HP615",
        "Traffic inside a tunnel",
        INFO,
        "Packets inside GRE, VXLAN, IP-in-IP, MPLS, CAPWAP or TZSP are not read.",
        "Frames of these protocols.",
        "Nothing.",
        "Capture inside the tunnel, on the device's own network.",
    ),
    entry(
        "HP617",
        "Several devices behind one address",
        INFO,
        "One address is that of several devices, as behind a NAT, and no id tells them all apart.",
        "A device talks in one connection while another connection of its address begins.",
        "A capture whose frames are not in the order of their times.",
        "Give the cloud's private key (`--cloud-key`): every identity then names its device. "
        "Or capture on the devices' own network.",
    ),
    entry(
        "HP612",
        "One side only",
        WARNING,
        "The capture holds the packets of one side of the connection.",
        "Acknowledgements of bytes that never appear, and no packet of the side that sent them.",
        "Nothing.",
        "Mirror both directions of the port, and use no filter on a sender's address.",
    ),
    entry(
        "HP616",
        "The capture lacks acknowledgments",
        WARNING,
        "Data that nothing acknowledges and nobody repeats: TCP does one or the other, so frames "
        "are missing. A filter on payload, flags or lengths leaves them out.",
        "No acknowledgment and no repeat of a side's last bytes for 5 seconds.",
        "The sender was switched off in that moment.",
        UNFILTERED,
    ),
    entry(
        "HP611",
        "Frames that cannot be read",
        INFO,
        "Some frames have a link type or a protocol this tool does not read.",
        "Counted by reason while reading.",
        "Nothing.",
    ),
)
