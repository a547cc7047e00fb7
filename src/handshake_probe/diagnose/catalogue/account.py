"""Findings on register, claim and device state (HP4xx)."""

from __future__ import annotations

from handshake_probe.diagnose.catalogue.entry import ERROR, INFO, WARNING, entry

ENTRIES = (
    entry(
        "HP401",
        "The cloud does not know the device",
        ERROR,
        "The device's id is not in the cloud's register.",
        "The id inside the opened identity is missing among the registered keys.",
        "A register that was given in part only.",
        "Register the device's public key with the cloud: `particle keys send {id} <key file>`.",
    ),
    entry(
        "HP402",
        "The claim is not confirmed",
        WARNING,
        "The device publishes its claim code on every connect, and the cloud never confirms it.",
        "Event spark/device/claim/code in every decrypted session, no event spark/device/claim/…"
        " from the cloud.",
        "A confirmation after the capture's end.",
        "Claim the device by its id: `particle device add {id}`.",
        "If it belongs to someone else, that account has to release it first.",
    ),
    entry(
        "HP403",
        "The claim is confirmed",
        INFO,
        "The cloud confirmed the claim; the device forgets its code.",
        "Event spark/device/claim/… from the cloud in the decrypted session.",
        "Nothing.",
    ),
    entry(
        "HP404",
        "Safe mode",
        WARNING,
        "The device is connected but does not run its application (breathing magenta).",
        "Event spark/device/safemode in the decrypted session.",
        "Nothing: it is the device's own word.",
        "Flash the application again, or update Device OS: `particle update`.",
    ),
    entry(
        "HP405",
        "The cloud hangs up on the identity",
        WARNING,
        "The cloud closes right after the device's identity: it cannot read it, does not know "
        "the device, or has another key on file. The wire shows these alike.",
        "256 bytes acknowledged, then FIN or reset by the cloud, no answer.",
        "The cloud's private key or its log.",
        "Write the server key first (`particle keys server`), capture again; "
        "only if nothing changes give it a new key pair: `particle keys doctor {id}`.",
    ),
)
