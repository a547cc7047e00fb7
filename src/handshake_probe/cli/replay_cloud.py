"""`replay --as-cloud`: the recorded cloud, or a faulty one, for devices that connect here."""

from __future__ import annotations

from pathlib import Path

from handshake_probe.cli import complaints
from handshake_probe.cli.exits import ExitCode
from handshake_probe.cli.lab_shared import find_fault, show, told, until_stopped
from handshake_probe.lab import keystore
from handshake_probe.lab.addresses import host_port
from handshake_probe.lab.cloud import Cloud, cloud_settings, listen
from handshake_probe.lab.faults import Fault
from handshake_probe.lab.journal import Journal
from handshake_probe.lab.recorded_cloud import VerbatimCloud, recorded_fault
from handshake_probe.pipeline.recorded import Recorded
from handshake_probe.protocol.settings import Manner
from handshake_probe.protocol.state import Role


def as_cloud(
    found: Recorded,
    where: tuple[str, int],
    folder: Path,
    *,
    fault_name: str | None,
    verbatim: bool,
) -> ExitCode:
    """Play it until Ctrl-C or SIGTERM. Raises what `lab cloud` does."""
    fault = find_fault(Role.CLOUD, fault_name) if fault_name else recorded_fault(found.talk)
    if fault is None or verbatim:
        if not verbatim:
            complaints.note("what the recorded cloud said is no handshake: sent as it was recorded")
        return _serve(VerbatimCloud(found.talk, Journal(show)), where, ())
    notes = told(fault) if fault_name else (fault.line,)
    return _serve(_cloud(fault, folder), where, notes)


def _cloud(fault: Fault, folder: Path) -> Cloud:
    """Compares the key a device sends with the registered one, as most servers do."""
    key = keystore.cloud_key(folder)
    settings = cloud_settings(key, keystore.register(folder), Manner.COMPARES)
    complaints.note(
        f"key {key.fingerprint}, {keystore.registered_count(folder)} registered in {folder}; "
        f"devices need {folder / keystore.CLOUD_PUBLIC}"
    )
    return Cloud(settings, Journal(show), fault=fault, complain=complaints.note)


def _serve(
    cloud: Cloud | VerbatimCloud, where: tuple[str, int], notes: tuple[str, ...]
) -> ExitCode:
    with listen(*where) as listener:
        address = host_port(*listener.getsockname()[:2])
        until_stopped(cloud.serve(listener), (f"listening on {address}", *notes))
    return ExitCode.HEALTHY if cloud.served else ExitCode.INTERRUPTED
