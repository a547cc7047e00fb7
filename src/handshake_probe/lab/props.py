"""What lies ready before a scenario is played: keys, and the truth in writing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from handshake_probe.lab import damage, keystore
from handshake_probe.lab.scenario import Scenario


def make_keys(scenario: Scenario, keys: Path, other_keys: Path) -> None:
    """Make the keys that device and cloud hold, and nothing that they do not.

    Args:
        scenario: Whose devices.
        keys: The folder of the cloud and of the devices.
        other_keys: The folder of another cloud, where each device has another key.
    """
    keystore.cloud_key(keys)
    keystore.cloud_key(other_keys)
    # One more device is always registered: an id that is missing then means something.
    for index in range(-1, len(scenario.devices)):
        device_id = scenario.device_id(index)
        unlucky = index >= 0 and scenario.devices[index].key == "unlucky"
        make = damage.unlucky_slot if unlucky else damage.sound_slot
        for folder in (keys, other_keys):
            keystore.device_slot(folder / f"{device_id}.der", make)
    (keys / f"{scenario.device_id(-1)}.der").unlink()
    for index, device in enumerate(scenario.devices):
        registered = f"{scenario.device_id(index)}.pub.pem"
        if not device.registered:
            (keys / registered).unlink()
        elif device.key == "other":
            shutil.copy(other_keys / registered, keys / registered)


def write_truth(scenario: Scenario, addresses: Sequence[str], capture: str, path: Path) -> None:
    """Write what is true of each device, by the address that the capture shows."""
    devices = [
        {"device_id": scenario.device_id(index), "ip": address, "seen": device.seen}
        | asdict(scenario.truth_of(device))
        for index, (device, address) in enumerate(zip(scenario.devices, addresses, strict=True))
    ]
    truth = {"file": capture, "what": scenario.what, "devices": devices}
    path.write_text(json.dumps(truth, indent=1) + "\n")
