"""The catalogue of findings: stable codes, what each means, how it is told, what to do.

Hundreds: 1 network, 2 server key, 3 device key, 4 account, 5 protocol and peers, 6 capture quality,
7 key files, 8 what the device itself shows.
In remedies `{id}` is the device id, `{device}` and `{cloud}` are addresses, `{port}` is the cloud's
port; they are filled from validated values only.
"""

from __future__ import annotations

from handshake_probe.diagnose.catalogue import (
    account,
    capture,
    device_key,
    key_files,
    network,
    peers,
    probe,
    replay,
    server_key,
    symptoms,
)
from handshake_probe.diagnose.catalogue.entry import Entry

CATALOGUE: dict[str, Entry] = {
    entry.code: entry
    for room in (
        network,
        server_key,
        device_key,
        account,
        peers,
        capture,
        probe,
        replay,
        key_files,
        symptoms,
    )
    for entry in room.ENTRIES
}
