"""What the LED shows for longer than a flash, by Device OS version; sources as for the flashes."""

from __future__ import annotations

from handshake_probe.diagnose.symptoms.led_row import (
    BEFORE_CLOUD,
    CAPTURE_IT,
    CLAIM,
    HANDSHAKE,
    KEY_OR_REGISTER,
    OPEN,
    PROBE_IT,
    READ_LOG,
    SESSION,
    LedRow,
)
from handshake_probe.model.vocabulary import Cause, Stage
from handshake_probe.protocol.device_os import FAST_CYAN
from handshake_probe.protocol.led_phrase import Colour, Pattern

STATES: tuple[LedRow, ...] = (
    LedRow(
        key="sos",
        shown="red SOS 10",
        colour=Colour.RED,
        patterns=(Pattern.SOS,),
        says="the firmware panicked; the flashes after the SOS are its reason (10: an assertion "
        "failed, such as a description too large for its buffer)",
        proves="the firmware crashed; it says nothing about network or keys by itself",
        stages=(Stage.NONE, Stage.SESSION),
        candidates=(Cause.DEVICE_FAULT,),
        likely=True,
        assumption="that nothing else failed before",
        steps=(
            "Start it without its application (safe mode), then update: `particle update`",
            READ_LOG,
        ),
    ),
    LedRow(
        key="cyan_breathing",
        shown="breathing cyan",
        colour=Colour.CYAN,
        patterns=(Pattern.BREATHING,),
        says="connected: the whole handshake passed and the session runs",
        proves="network, server key and device key are right",
        excludes="a blocked network and every key problem; not a missing claim: the handshake does "
        "not ask who owns the device",
        stages=SESSION,
        candidates=(Cause.HEALTHY, Cause.UNCLAIMED),
        likely=True,
        rules_out=(Cause.NETWORK_BLOCKED, *KEY_OR_REGISTER),
        assumption="that the device belongs to the account that looks for it",
        steps=(
            CLAIM,
            'Setup that stops at "Network not ready" changes nothing about that: claim by id.',
        ),
    ),
    LedRow(
        key="magenta_breathing",
        shown="breathing magenta",
        colour=Colour.MAGENTA,
        patterns=(Pattern.BREATHING,),
        says="safe mode: connected to the cloud, the application does not run",
        proves="network, server key and device key are right",
        excludes="a blocked network and every key problem",
        stages=SESSION,
        candidates=(Cause.HEALTHY, Cause.DEVICE_FAULT),
        likely=True,
        rules_out=(Cause.NETWORK_BLOCKED, *KEY_OR_REGISTER),
        assumption="that safe mode was asked for; otherwise application and Device OS do not fit",
        steps=("Flash the application again, or update Device OS: `particle update`",),
    ),
    LedRow(
        key="magenta_fast",
        shown="fast blinking magenta",
        colour=Colour.MAGENTA,
        patterns=(Pattern.FAST, Pattern.BLINKING),
        says="a firmware update over the air is running",
        proves="network, server key and device key are right",
        excludes="a blocked network and every key problem",
        stages=SESSION,
        candidates=(Cause.HEALTHY, Cause.DEVICE_FAULT),
        likely=True,
        rules_out=(Cause.NETWORK_BLOCKED, *KEY_OR_REGISTER),
        assumption="that the update ends; wait some minutes",
        steps=("Wait until it restarts by itself.",),
    ),
    LedRow(
        key="magenta_uncertain",
        shown="magenta",
        colour=Colour.MAGENTA,
        patterns=(None, Pattern.SOLID, Pattern.FLASHES),
        says="how it is shown decides: one short flash after cyan is a refused signature (below "
        "2.0), breathing is safe mode, fast blinking an update",
        proves="little until the pattern is certain",
        stages=(Stage.NONE, Stage.SESSION),
        candidates=(Cause.HEALTHY, Cause.SERVER_KEY_MISMATCH, Cause.SERVER_FAULT),
        settles="Whether it is one flash, breathing, or fast blinking.",
        steps=('Look again, then ask again: `handshake-probe led "breathing magenta"`',),
    ),
    LedRow(
        key="cyan_fast",
        shown="fast blinking cyan",
        colour=Colour.CYAN,
        patterns=(Pattern.FAST,),
        since=FAST_CYAN,
        says="the TCP connection is up and the handshake is running; it may last 20 s for each "
        "message that does not come, then a short flash tells the result",
        proves="the TCP connection came up",
        excludes="a firewall that refuses or drops the connection attempt",
        stages=HANDSHAKE,
        candidates=(
            Cause.NETWORK_BLOCKED,
            Cause.SERVER_FAULT,
            *KEY_OR_REGISTER,
            Cause.DEVICE_FAULT,
        ),
        settles="The flash that ends it (a quarter of a second: film it), or a capture.",
        steps=(CAPTURE_IT, PROBE_IT, READ_LOG),
    ),
    LedRow(
        key="cyan_fast",
        shown="fast blinking cyan",
        colour=Colour.CYAN,
        patterns=(Pattern.FAST,),
        before=FAST_CYAN,
        says="the device is looking up, connecting, or in the handshake: below 0.7 one pace of "
        "cyan stands for all of them",
        proves="Wi-Fi and DHCP work",
        stages=(Stage.NONE, Stage.HELLO_SENT),
        candidates=OPEN,
        settles="The flash that ends it (film it), or a capture.",
        steps=(CAPTURE_IT, PROBE_IT, READ_LOG),
    ),
    LedRow(
        key="cyan_blinking",
        shown="blinking cyan",
        colour=Colour.CYAN,
        patterns=(Pattern.BLINKING, Pattern.FLASHES, Pattern.SOLID),
        says="the device looks up the cloud's name, connects, or waits before the next attempt; "
        "below 0.7 also the handshake",
        proves="Wi-Fi and DHCP work",
        stages=(Stage.NONE, Stage.HELLO_SENT),
        candidates=(
            Cause.NETWORK_BLOCKED,
            *KEY_OR_REGISTER,
            Cause.SERVER_FAULT,
            Cause.DEVICE_FAULT,
        ),
        settles="The colour and number of the flashes between the cyan (a quarter of a second "
        "each: film it), or a capture.",
        steps=(
            'Watch a minute, then ask again: `handshake-probe led "cyan, one red flash"`',
            CAPTURE_IT,
            READ_LOG,
        ),
    ),
    LedRow(
        key="cyan",
        shown="cyan",
        colour=Colour.CYAN,
        patterns=(None,),
        says="the pace decides: breathing is connected, blinking is connecting, fast blinking is "
        "the handshake",
        proves="Wi-Fi and DHCP work",
        stages=(Stage.NONE, Stage.SESSION),
        candidates=(Cause.HEALTHY, *OPEN),
        settles="Whether it breathes or blinks, and the flashes in between.",
        steps=('Look again, then ask again: `handshake-probe led "breathing cyan"`',),
    ),
    *(
        LedRow(
            key=key,
            shown=shown,
            colour=Colour.GREEN,
            patterns=patterns,
            says=says,
            proves="the device has not begun to talk to the cloud",
            excludes="nothing about cloud, keys or claim: it is not that far",
            stages=BEFORE_CLOUD,
            candidates=(Cause.NETWORK_BLOCKED, Cause.DEVICE_FAULT),
            settles=settles,
            steps=steps,
        )
        for key, shown, patterns, says, settles, steps in (
            (
                "green_blinking",
                "blinking green",
                (Pattern.BLINKING, Pattern.SOLID, Pattern.FLASHES, None),
                "joining the Wi-Fi: password, channel (1 to 11), 2.4 GHz, login by certificate",
                "Whether it joins a phone hotspot.",
                ("Set up the Wi-Fi again: `particle serial wifi`",),
            ),
            (
                "green_fast",
                "fast blinking green",
                (Pattern.FAST,),
                "the Wi-Fi is joined, DHCP has not given an address yet",
                "A capture on the Wi-Fi: is there a DHCP offer?",
                ("Look at the router's DHCP: pool, filters by MAC address.",),
            ),
            (
                "green_breathing",
                "breathing green",
                (Pattern.BREATHING,),
                "the device has an address, and its application has not asked for the cloud",
                "Whether the application calls Particle.connect().",
                ("Look at the application: its system mode may be MANUAL or SEMI_AUTOMATIC.",),
            ),
        )
    ),
    *(
        LedRow(
            key=key,
            shown=shown,
            colour=colour,
            patterns=tuple(
                p for p in (*Pattern, None) if (p is Pattern.BREATHING) == breathing or p is None
            ),
            says=says,
            proves="the device is not trying to reach the cloud",
            excludes="nothing about network, keys or claim",
            stages=BEFORE_CLOUD,
            candidates=(Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED),
            settles="What it shows after a restart and in normal operation.",
            steps=steps,
        )
        for key, shown, colour, breathing, says, steps in (
            (
                "white_breathing",
                "breathing white",
                Colour.WHITE,
                True,
                "the network is switched off by the application",
                ("Look at the application: it has to switch its Wi-Fi on.",),
            ),
            (
                "blue",
                "blinking blue",
                Colour.BLUE,
                False,
                "listening mode: it waits to be set up",
                ("Give it the Wi-Fi: `particle serial wifi`",),
            ),
            (
                "yellow",
                "blinking yellow",
                Colour.YELLOW,
                False,
                "DFU mode: it waits for firmware or keys over USB",
                ("Press reset to leave it.",),
            ),
        )
    ),
)


OTHER = LedRow(
    key="other",
    shown="off",
    colour=Colour.OFF,
    patterns=(None,),
    says="not a signal of Device OS's own: no power, or an application that drives the LED",
    proves="nothing about the cloud connection",
    stages=(Stage.NONE, Stage.SESSION),
    candidates=(Cause.DEVICE_FAULT, Cause.NETWORK_BLOCKED, Cause.HEALTHY),
    settles="What it shows in safe mode (hold SETUP, press RESET, release at magenta).",
    steps=(READ_LOG,),
)
