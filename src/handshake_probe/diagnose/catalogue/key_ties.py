"""Findings on files as such (HP730 to HP739) and on files that should fit (HP740 to HP749)."""

from __future__ import annotations

from handshake_probe.diagnose.catalogue.entry import ERROR, INFO, WARNING, Entry, entry
from handshake_probe.diagnose.catalogue.key_remedies import NEW_KEY, SERVER_KEY

_SAME_PAIR = (
    "Decide which of the two is true: read the device's key back in DFU mode with "
    "`particle keys save NEWFILE` and check it together with these files.",
    "Then tell the cloud the public half of what the device holds: "
    "`particle keys send {id} <public key file>`; only the owning account may. On a private server "
    "put it into the folder of device keys as {id}.pub.pem.",
)

ENTRIES: tuple[Entry, ...] = (
    entry(
        "HP730",
        "A published private key",
        WARNING,
        "Everybody can read the private half of this key: it is part of a test or an example.",
        "The fingerprint.",
        "Nothing.",
        *NEW_KEY[:1],
    ),
    entry(
        "HP731",
        "Several keys in one file",
        INFO,
        "One was read: the private one if there is any, else the first.",
        "More than one BEGIN line.",
        "Nothing.",
    ),
    entry(
        "HP732",
        "A private key named as a public one",
        WARNING,
        "Whoever hands this file over as the public key gives the device away.",
        "The content is private, the name holds .pub.",
        "Nothing.",
        "Rename it, and make the public half anew: `openssl rsa -in FILE -inform DER -pubout`.",
    ),
    entry(
        "HP733",
        "A private key that everybody here may read",
        WARNING,
        "Every user of this computer can read the file, and with it decrypt the device's sessions.",
        "The file's mode.",
        "A computer without other users.",
        "`chmod 600 FILE`",
    ),
    entry(
        "HP734",
        "An encrypted key",
        WARNING,
        "The file needs a passphrase, so nothing in it can be checked.",
        "PEM or PKCS#8 encryption.",
        "Nothing.",
        "Remove the passphrase from a copy: `openssl pkey -in FILE -out NEWFILE`.",
    ),
    entry(
        "HP735",
        "Damaged PEM",
        ERROR,
        "The text form of the key is incomplete or changed.",
        "BEGIN and END lines, and the base64 between them.",
        "Nothing.",
        "Copy the file again, in binary mode and without an editor.",
    ),
    entry(
        "HP736",
        "The Particle cloud's key",
        INFO,
        "The public key that every device comes with.",
        "The fingerprint.",
        "Nothing.",
    ),
    entry(
        "HP737",
        "Another version number",
        INFO,
        "The key's first integer is not 0: one damaged byte of the header. Device and OpenSSL do "
        "not look at it, strict parsers refuse the file.",
        "The version in the DER.",
        "Nothing.",
    ),
    entry(
        "HP740",
        "Private and registered key are no pair",
        ERROR,
        "The cloud has another public key on file than the device's: it encrypts what this device "
        "cannot open.",
        "The public half of the private key against the registered one, for the same device id, or "
        "because each is the only one of its kind here.",
        "A private key file that is not what the device holds; a file of another device.",
        *_SAME_PAIR,
    ),
    entry(
        "HP741",
        "The device presented another key",
        ERROR,
        "The server saved the key that the device sent (_handshake in the name), and it is not "
        "this one.",
        "The two public halves, for the same device id.",
        "A saved key that is older than the registered one: the server never replaces it.",
        "If the device is yours, register what it presented: rename the saved file to "
        "{id}.pub.pem. If not, somebody else uses its id.",
    ),
    entry(
        "HP742",
        "The server key is not this cloud's",
        ERROR,
        "A device with this server key encrypts its identity for another cloud than the one whose "
        "private key lies here.",
        "The public half of the only cloud's private key against the server key.",
        "Files of two clouds that were meant to differ.",
        *SERVER_KEY,
    ),
    entry(
        "HP743",
        "Two keys for one device",
        WARNING,
        "Two different keys of the same kind carry one device id; a device holds one.",
        "The ids in the file names.",
        "An old copy that was kept on purpose.",
        *_SAME_PAIR[:1],
    ),
    entry(
        "HP744",
        "One key under two device ids",
        WARNING,
        "Two devices with one key are clones, or a file was copied under the wrong name.",
        "Equal public halves, different ids in the names.",
        "Nothing.",
        "Find out which device holds the key, and give the other one a new pair: "
        "`particle keys doctor {id}`.",
    ),
    entry(
        "HP745",
        "A file of another device",
        WARNING,
        "The file's name holds another device id than the one asked for.",
        "The name and `--device-id`.",
        "A file that was named wrongly.",
        "Check whose file it is: the id is in the name only, never in the key.",
    ),
)
