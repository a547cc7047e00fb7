"""Findings on server keys and the address beside them (HP720 to HP729)."""

from __future__ import annotations

from handshake_probe.diagnose.catalogue.entry import ERROR, INFO, WARNING, Entry, entry
from handshake_probe.diagnose.catalogue.key_remedies import SERVER_AGAIN, SERVER_KEY

ENTRIES: tuple[Entry, ...] = (
    entry(
        "HP720",
        "A server key that devices refuse",
        ERROR,
        "The firmware's RSA code takes no even modulus and none whose first byte is zero: the "
        "device connects, gets the nonce and sends nothing.",
        "Bytes 33 to 288 of the slot, as the firmware takes them.",
        "Nothing.",
        *SERVER_AGAIN,
    ),
    entry(
        "HP721",
        "A damaged header in a server key",
        INFO,
        "Bytes before the modulus are damaged. The firmware never looks at the first 33 bytes: "
        "harmless for the device.",
        "The DER does not parse, and bytes 33 to 288 hold a modulus with INTEGER 65537 behind it.",
        "Nothing short of damage inside the modulus as well.",
    ),
    entry(
        "HP722",
        "A server key that the firmware misreads",
        ERROR,
        "The firmware takes bytes 33 to 288 as the modulus, and in this file something else lies "
        "there: a key in another form, or at another place.",
        "Both readings side by side.",
        "Nothing.",
        "Write it as SPKI DER: `handshake-probe keys convert FILE --to der`, 294 bytes.",
        *SERVER_KEY,
    ),
    entry(
        "HP723",
        "A damaged copy of another key",
        ERROR,
        "Nearly all bits are those of a key that is known, and some are not: this was that key "
        "before it was damaged. Whatever a device encrypts with it, nobody can read.",
        "Two independent keys differ in half of their bits, a copy in a few.",
        "Nothing: such likeness is no chance.",
        *SERVER_AGAIN,
    ),
    entry(
        "HP724",
        "A damaged address record",
        WARNING,
        "The address behind the server key cannot be read; the firmware goes to its default host.",
        "Type byte, length and characters of the record at offset 384 (192 in a UDP slot).",
        "A slot read with the wrong size.",
        *SERVER_AGAIN,
    ),
    entry(
        "HP725",
        "No address set",
        INFO,
        "The address record is erased: the firmware goes to its default host and port.",
        "68 bytes FF.",
        "Nothing.",
    ),
    entry(
        "HP726",
        "Data between key and address",
        INFO,
        "Between the server key and its address lies something that is no padding.",
        "Bytes 294 to 383 of the slot.",
        "Nothing; devices do not look there.",
    ),
    entry(
        "HP727",
        "Key of one cloud, address of another",
        WARNING,
        "The device would go to one cloud with the key of another: it connects, and is hung up on "
        "after its identity.",
        "The key's fingerprint and the address beside it.",
        "A private address that leads on to the Particle cloud.",
        *SERVER_KEY,
    ),
    entry(
        "HP728",
        "Another port",
        INFO,
        "The address names another port than 5683. Rightly so only if the cloud listens there; the "
        "port of a server's web interface (8080) is a common mistake.",
        "Bytes 66 and 67 of the address record.",
        "A cloud that does listen there.",
    ),
)
