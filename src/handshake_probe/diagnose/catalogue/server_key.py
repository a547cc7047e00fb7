"""Findings on the server key (HP2xx)."""

from __future__ import annotations

from handshake_probe.diagnose.catalogue.entry import ERROR, INFO, WARNING, entry

SERVER_KEY = (
    "Put the device in DFU mode (blinking yellow) and write the cloud's key and address again: "
    "`particle keys server` for the Particle cloud, "
    "`particle keys server <cloud_public.der> --host <address>` for a private one.",
    "Restart the device: keys are read once per boot. A Photon has no factory reset that would "
    "do this.",
)

ENTRIES = (
    entry(
        "HP201",
        "The cloud cannot read the identity",
        ERROR,
        "The device encrypts with another server key than the cloud's.",
        "The identity does not open with the cloud's private key (the nonce inside proves "
        "success; OpenSSL's own word does not).",
        "A private key that is not this cloud's.",
        *SERVER_KEY,
    ),
    entry(
        "HP202",
        "The identity was made with another key",
        ERROR,
        "As a number the identity is larger than the cloud's modulus: impossible with its key.",
        "Comparison with the public key alone.",
        "A public key that is not this cloud's.",
        *SERVER_KEY,
    ),
    entry(
        "HP203",
        "Another key signs the credentials",
        ERROR,
        "The answer is not signed by the cloud's key, so the device refuses it.",
        "The signature does not open with the cloud's public key.",
        "A cloud with several keys; a public key that is not this cloud's.",
        "The operator compares the cloud's private key with the public key given to devices.",
        *SERVER_KEY[:1],
    ),
    entry(
        "HP204",
        "The device sends no identity",
        ERROR,
        "The device has the nonce and closes without answering: it cannot encrypt, most often "
        "because the server key in its flash is unusable.",
        "40 bytes to the device, none from it, and the device closes.",
        "A crash or a reset at that point.",
        *SERVER_KEY,
    ),
    entry(
        "HP205",
        "The cloud changed",
        ERROR,
        "The same device with the same keys was accepted earlier in this capture.",
        "An earlier complete session of the device with this cloud.",
        "A cloud whose software or register changed instead.",
        "The operator compares the cloud's key before and after its restart.",
        *SERVER_KEY,
    ),
    entry(
        "HP206",
        "The identity belongs to another cloud",
        ERROR,
        "The device holds the server key of another cloud that was given.",
        "The identity opens with that key and not with this cloud's.",
        "Nothing short of a wrongly named key.",
        *SERVER_KEY,
    ),
    entry(
        "HP207",
        "Identities too small for the cloud's key",
        WARNING,
        "RSA blocks are spread evenly below their key's modulus. All of the device's identities "
        "stay so far below the cloud's that they were hardly made with its key.",
        "The largest of k identities, x, against the modulus n: a chance of (x / n)^k. It is told "
        "from 1 in 100 on, and counts as a reason, beside a refused identity, from 1 in a million.",
        "One larger identity.",
        *SERVER_KEY,
    ),
    entry(
        "HP208",
        "What the sizes of the identities say",
        INFO,
        "Every identity is a smaller number than the modulus of the server key in the device. A "
        "given key with a smaller modulus than one identity is surely not the one in the device; "
        "of two that are left, the smaller one explains many small identities better.",
        "The largest identity against each given key; how often likelier a key is follows from "
        "the ratio of two moduli: slightly from 3 times on, clearly from 20, strongly from 1000.",
        "Against what is refuted, nothing: it is arithmetic. One larger identity, for the rest.",
    ),
    entry(
        "HP209",
        "The same identity twice",
        ERROR,
        "Every identity holds the nonce it answers and fresh random bytes; the same one for "
        "another nonce answers nothing.",
        "Equal identities, different nonces.",
        "Nothing; a capture that saw one connection twice has equal nonces too.",
        "Restart the device; if it goes on, look for a program that replays recorded handshakes.",
    ),
)
