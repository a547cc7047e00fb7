"""Remedies that several findings on key files share."""

from __future__ import annotations

NEW_KEY = (
    "Give the device a new key pair and let the cloud learn its public half: in DFU mode (blinking "
    "yellow) run `particle keys doctor {id}`. On a computer with OpenSSL 3 check the new .der file "
    "with `handshake-probe keys check FILE` before you trust it.",
    "A factory reset brings no key back: it exists on the Core only, and restores firmware there.",
)
AGAIN = (
    "Read the slot once more before you replace anything: `particle keys save NEWFILE`. A "
    "transfer that broke off damages the copy, not the device.",
)
SERVER_KEY = (
    "Write the cloud's key and address again, in DFU mode: `particle keys server` for the Particle "
    "cloud, `particle keys server <cloud_public.der> --host <address>` for a private one. "
    "`particle keys doctor` does not touch the server key.",
)
SERVER_AGAIN = (*AGAIN, *SERVER_KEY)
