"""How far an attempt came, as LED, capture and log show it side by side."""

from __future__ import annotations

from typing import NamedTuple


class StageRow(NamedTuple):
    """One way for an attempt to end."""

    letter: str
    reached: str
    led: str
    capture: str
    because: str


STAGE_ROWS: tuple[StageRow, ...] = (
    StageRow(
        "A",
        "no answer from DNS",
        "blinking cyan, 2 orange flashes",
        "the DNS question three times, no usable answer (up to 0.5: a SYN to 54.208.229.4)",
        "DNS blocked, a captive portal, a mistyped host name",
    ),
    StageRow(
        "B",
        "SYN without SYN/ACK",
        "blinking cyan, 3 orange flashes (2 when the internet test fails too)",
        "SYNs for up to 5 s, then again from another source port",
        "TCP port 5683 dropped by a firewall, or the cloud's host is off",
    ),
    StageRow(
        "C",
        "SYN refused",
        "blinking cyan, 3 orange flashes (2 when the internet test fails too)",
        "a reset or an ICMP error in answer to the SYN",
        "a firewall that rejects, or no service on the cloud's host",
    ),
    StageRow(
        "D",
        "connected, no nonce",
        "fast blinking cyan for up to 20 s, one red flash",
        "three-way handshake, no data, the device closes after 20 s",
        "a transparent proxy, a server of another kind, a stuck cloud",
    ),
    StageRow(
        "E",
        "nonce, no identity",
        "fast blinking cyan, one red flash",
        "40 bytes to the device, which closes without sending",
        "an unusable server key in the device (error 7), or a restart",
    ),
    StageRow(
        "F",
        "identity, the cloud hangs up",
        "one red flash",
        "40 bytes, 256 bytes, then the cloud closes at once, without 384",
        "another server key in the device, an unknown id, or another public key on file",
    ),
    StageRow(
        "G",
        "identity, silence",
        "one red flash after 20 s",
        "40 bytes, 256 bytes, 20 s of nothing, the device closes",
        "a firewall that inspects, a lost answer, a stuck cloud",
    ),
    StageRow(
        "H",
        "part of the credentials",
        "one red flash after 20 s",
        "less than 384 bytes, then nothing",
        "loss on the path, a proxy",
    ),
    StageRow(
        "I",
        "credentials, the device hangs up",
        "one red flash (0.8 to 1.5: one orange or one magenta flash)",
        "40, 256 and 384 bytes, then the device closes (since 2.0 up to 10.3 s later)",
        "error 6: the device's private key does not fit; error 8: the signature is by another key",
    ),
    StageRow(
        "J",
        "Hello, the cloud is silent",
        "one red flash after 4 s (classic firmware: 2 s)",
        "18 or 34 bytes from the device, nothing back, the device closes",
        "the cloud could not decrypt the Hello, is overloaded, or its answer is lost",
    ),
    StageRow(
        "K",
        "Hello, the cloud hangs up",
        "one red flash",
        "a record from the device, then the cloud closes",
        "the cloud refuses the Hello or its counter",
    ),
    StageRow(
        "L",
        "session, lost every 25 s",
        "breathing cyan, blinking cyan by turns",
        "records both ways, then a ping without an answer, the device closes 10 s later",
        "the way back is filtered or forgotten (NAT), or the cloud is stuck",
    ),
    StageRow(
        "M",
        "session, lost after the description",
        "breathing cyan, blinking cyan or red SOS",
        "a long record from the device, then the end",
        "a description too long for firmware or cloud; a cloud that chains its records wrongly",
    ),
    StageRow(
        "N",
        "session, missing in the console",
        "breathing cyan",
        "the claim code published on every connect, or never",
        "the device is not claimed, or belongs to another account or product",
    ),
    StageRow(
        "O",
        "sessions that take turns",
        "breathing cyan, blinking cyan by turns",
        "two connections of one device overlap, the cloud closes the older one",
        "a half-open session after a restart, or two devices with one id",
    ),
)
