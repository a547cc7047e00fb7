"""What flashes between the cyan say, by Device OS version.

Device OS, services/src/led_service.cpp and system/src/system_task.cpp, compared tag by tag from 0.4
to 3.3. A row's stages are those the connection can have reached when the pattern is shown.
"""

from __future__ import annotations

from handshake_probe.diagnose.symptoms.led_row import (
    CAPTURE_IT,
    CONNECTING,
    HANDSHAKE,
    HOTSPOT,
    KEEP_KEYS,
    KEY_OR_REGISTER,
    ONE_ATTEMPT,
    OPEN,
    PROBE_IT,
    READ_LOG,
    LedRow,
)
from handshake_probe.model.vocabulary import Cause, Mechanism, Stage
from handshake_probe.protocol.device_os import SYSTEM_ERRORS
from handshake_probe.protocol.led_phrase import COUNT_LIMIT, Colour, Pattern

_FLASHED = (Pattern.FLASHES, Pattern.BLINKING, Pattern.FAST, None)
_NOT_SHOWN = (
    "Device OS 2.0 and later never show this for a failed handshake: they compare a number of the "
    "old kind with one of the new kind, so every failed handshake flashes red. Either the device "
    "runs an older version, or the flash was red, or there were two or three in orange."
)

FLASHES: tuple[LedRow, ...] = (
    LedRow(
        key="orange_1",
        shown="cyan, one orange flash",
        colour=Colour.ORANGE,
        patterns=(Pattern.FLASHES,),
        counts=(1,),
        before=SYSTEM_ERRORS,
        says="decryption error (6): the cloud answered the identity with its 384 bytes, and the "
        "device's own private key does not open them",
        proves="the network carries the handshake, and the cloud knows the device and accepted "
        "its identity",
        excludes="a blocked network, a wrong server key, an unknown device",
        stages=(Stage.CREDENTIALS_RECEIVED, Stage.CREDENTIALS_RECEIVED),
        candidates=(Cause.DEVICE_KEY_CORRUPTION, Cause.SERVER_FAULT),
        likely=True,
        exact=True,
        mechanism=Mechanism.CREDENTIALS_REFUSED,
        rules_out=(Cause.NETWORK_BLOCKED, Cause.SERVER_KEY_MISMATCH, Cause.DEVICE_UNKNOWN),
        assumption="that there was one flash and it was orange; two or three mean something else",
        steps=(
            "Give the device a new key pair (blinking yellow first): `particle keys doctor "
            "<device id>`",
            CAPTURE_IT,
        ),
    ),
    LedRow(
        key="magenta_1",
        shown="cyan, one magenta flash",
        colour=Colour.MAGENTA,
        patterns=(Pattern.FLASHES,),
        counts=(1,),
        before=SYSTEM_ERRORS,
        says="authentication error (8): the device opened the cloud's answer, and its signature is "
        "not by the server key the device holds",
        proves="the network carries the handshake, and the device's own key fits",
        excludes="a blocked network, a wrong device key, an unknown device",
        stages=(Stage.CREDENTIALS_RECEIVED, Stage.CREDENTIALS_RECEIVED),
        candidates=(Cause.SERVER_KEY_MISMATCH, Cause.SERVER_FAULT),
        likely=True,
        exact=True,
        mechanism=Mechanism.SIGNATURE_BY_ANOTHER_KEY,
        rules_out=(Cause.NETWORK_BLOCKED, Cause.DEVICE_KEY_CORRUPTION, Cause.DEVICE_UNKNOWN),
        assumption="that there was one flash and it was magenta, not red",
        steps=(
            "Write the server key again (blinking yellow first): `particle keys server`",
            CAPTURE_IT,
        ),
    ),
    *(
        LedRow(
            key=f"{colour}_1",
            shown=f"cyan, one {colour} flash",
            colour=colour,
            patterns=(Pattern.FLASHES,),
            counts=(1,),
            since=SYSTEM_ERRORS,
            says=_NOT_SHOWN,
            proves="nothing until version and colour are certain",
            stages=(Stage.NONE, Stage.HELLO_SENT),
            candidates=OPEN,
            impossible=True,
            settles="The version: `particle serial inspect` or `particle identify`.",
            steps=(CAPTURE_IT, PROBE_IT, READ_LOG),
        )
        for colour in (Colour.ORANGE, Colour.MAGENTA)
    ),
    LedRow(
        key="red_and_orange",
        shown="one red flash alternating with 3 orange flashes",
        colour=Colour.RED,
        patterns=_FLASHED,
        beside=Colour.ORANGE,
        since=SYSTEM_ERRORS,
        says="the handshake fails (red); the orange belongs to the same failure and only tells how "
        "the internet test after it went: a failed handshake starts that test since 2.0",
        proves="the TCP connection comes up, so the port is not simply closed",
        excludes="a firewall that refuses or drops the connection attempt",
        stages=HANDSHAKE,
        candidates=OPEN,
        settles=ONE_ATTEMPT,
        steps=(CAPTURE_IT, PROBE_IT, READ_LOG),
    ),
    LedRow(
        key="red_and_orange",
        shown="one red flash alternating with 3 orange flashes",
        colour=Colour.RED,
        patterns=_FLASHED,
        beside=Colour.ORANGE,
        before=SYSTEM_ERRORS,
        says="two kinds of failure take turns: below 2.0 two or three orange follow only where the "
        "connection itself failed, and red only where it came up and the handshake failed",
        proves="some attempts reach the cloud's port and others do not",
        stages=(Stage.NONE, Stage.HELLO_SENT),
        candidates=OPEN,
        settles="A capture of several attempts.",
        steps=(CAPTURE_IT, PROBE_IT, READ_LOG),
    ),
    LedRow(
        key="red_1",
        shown="cyan, one red flash",
        colour=Colour.RED,
        patterns=_FLASHED,
        counts=(1, None),
        since=SYSTEM_ERRORS,
        says="the handshake failed. Since 2.0 every handshake error is red: no nonce, no answer, "
        "and also a key that does not fit",
        proves="the TCP connection came up: the cloud's port is not simply closed",
        excludes="a firewall that refuses or drops the connection attempt; not a proxy that "
        "accepts in the cloud's place",
        stages=HANDSHAKE,
        candidates=OPEN,
        settles=ONE_ATTEMPT,
        steps=(CAPTURE_IT, PROBE_IT, READ_LOG),
    ),
    LedRow(
        key="red_1",
        shown="cyan, one red flash",
        colour=Colour.RED,
        patterns=_FLASHED,
        counts=(1, None),
        before=SYSTEM_ERRORS,
        says="the handshake failed, most often before the device had the cloud's 384 bytes. From "
        "0.8 to 1.5 a device key or signature that fails after them is orange or magenta instead; "
        "older versions number these errors otherwise and may show red for them too",
        proves="the TCP connection came up: the cloud's port is not simply closed",
        excludes="a firewall that refuses or drops the connection attempt; not a proxy that "
        "accepts in the cloud's place, and not a cloud that refuses the device's key",
        stages=HANDSHAKE,
        candidates=OPEN,
        settles=ONE_ATTEMPT,
        steps=(CAPTURE_IT, PROBE_IT, READ_LOG),
    ),
    LedRow(
        key="red_2",
        shown="cyan, 2 red flashes",
        colour=Colour.RED,
        patterns=(Pattern.FLASHES,),
        counts=tuple(range(2, COUNT_LIMIT + 1)),
        says="either failed handshakes one after another (one red flash each, a second or more "
        "apart), or orange taken for red: two and three orange flashes tell of the internet test",
        proves="little until the count and the colour are certain",
        stages=(Stage.NONE, Stage.HELLO_SENT),
        candidates=OPEN,
        settles="A film of the LED in slow motion: colour, and pauses between the flashes.",
        steps=(CAPTURE_IT, PROBE_IT, READ_LOG),
    ),
    LedRow(
        key="orange_2",
        shown="cyan, 2 orange flashes",
        colour=Colour.ORANGE,
        patterns=(Pattern.FLASHES,),
        counts=(2,),
        before=SYSTEM_ERRORS,
        says="the connection to the cloud failed, and the internet test after it as well: a TCP "
        "connection to 8.8.8.8, port 53, which some networks forbid although the internet works",
        proves="the failure lies before the handshake: name, route or port",
        excludes="keys, register and claim",
        stages=CONNECTING,
        candidates=(Cause.NETWORK_BLOCKED, Cause.DEVICE_FAULT, Cause.SERVER_FAULT),
        likely=True,
        rules_out=KEY_OR_REGISTER,
        assumption="that the device's own network setup (a fixed address or DNS server) is right",
        steps=(
            HOTSPOT,
            "A fixed IP setup survives re-flashing: clear it and use DHCP.",
            KEEP_KEYS,
            PROBE_IT,
            CAPTURE_IT,
        ),
    ),
    LedRow(
        key="orange_2",
        shown="cyan, 2 orange flashes",
        colour=Colour.ORANGE,
        patterns=(Pattern.FLASHES,),
        counts=(2,),
        since=SYSTEM_ERRORS,
        says="the cloud connection failed, and the internet test after it as well: DNS and NTP "
        "(pool.ntp.org, UDP 123), which some networks forbid although the internet works. Any red "
        "flash in between means that the TCP connection came up and the handshake failed",
        proves="without any red: name, route or port fail",
        excludes="without any red: keys, register and claim",
        stages=CONNECTING,
        candidates=(Cause.NETWORK_BLOCKED, Cause.DEVICE_FAULT, Cause.SERVER_FAULT),
        likely=True,
        assumption="that no red flash came in between, and that the device's own network setup "
        "(a fixed address or DNS server) is right",
        steps=(
            "Watch for a red flash between the orange ones: with one, say so.",
            HOTSPOT,
            "A fixed IP setup survives re-flashing: clear it and use DHCP.",
            PROBE_IT,
            CAPTURE_IT,
        ),
    ),
    LedRow(
        key="orange_3",
        shown="cyan, 3 orange flashes",
        colour=Colour.ORANGE,
        patterns=(Pattern.FLASHES,),
        counts=(3,),
        before=SYSTEM_ERRORS,
        says="the connection to the cloud failed although the internet test (TCP to 8.8.8.8, port "
        "53) passed: the port or the host is blocked, or the cloud is down",
        proves="the failure lies before the handshake; below 2.0 this never follows a handshake",
        excludes="keys, register and claim; advice to renew keys does not apply",
        stages=CONNECTING,
        candidates=(Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
        likely=True,
        rules_out=KEY_OR_REGISTER,
        assumption="that the cloud is up; a private cloud that is switched off looks the same",
        steps=(
            "Ask for outbound TCP port 5683 to device.spark.io.",
            HOTSPOT,
            KEEP_KEYS,
            PROBE_IT,
            CAPTURE_IT,
        ),
    ),
    LedRow(
        key="orange_3",
        shown="cyan, 3 orange flashes",
        colour=Colour.ORANGE,
        patterns=(Pattern.FLASHES,),
        counts=(3,),
        since=SYSTEM_ERRORS,
        says="the cloud connection failed although the internet test (DNS and NTP to pool.ntp.org) "
        "passed. Without any red flash the port or the host is blocked, or the cloud is down; with "
        "one, the TCP connection came up and the handshake failed",
        proves="without any red: the connection does not come up",
        excludes="without any red: keys, register and claim",
        stages=CONNECTING,
        candidates=(Cause.NETWORK_BLOCKED, Cause.SERVER_FAULT),
        likely=True,
        assumption="that no red flash came in between, and that the cloud is up",
        steps=(
            "Watch for a red flash between the orange ones: with one, say so.",
            "Ask for outbound TCP port 5683 to device.spark.io.",
            HOTSPOT,
            PROBE_IT,
            CAPTURE_IT,
        ),
    ),
    LedRow(
        key="orange_uncounted",
        shown="cyan, some orange flashes",
        colour=Colour.ORANGE,
        patterns=_FLASHED,
        says="the number decides: one is a decryption error (below 2.0 only), two is a failed "
        "internet test, three is a cloud that is not reached though the internet test passed",
        proves="the cloud connection failed",
        stages=(Stage.NONE, Stage.CREDENTIALS_RECEIVED),
        candidates=(
            Cause.NETWORK_BLOCKED,
            *KEY_OR_REGISTER,
            Cause.SERVER_FAULT,
            Cause.DEVICE_FAULT,
        ),
        settles="The number of orange flashes in a row, and whether any is red.",
        steps=(
            'Count them, then ask again: `handshake-probe led "cyan, 2 orange flashes"`',
            CAPTURE_IT,
        ),
    ),
)
