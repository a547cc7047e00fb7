"""Findings on key files (HP7xx), as `keys check` says them.

Whether a device, OpenSSL or both stumble over a defect is in `keys.defects`.
"""

from __future__ import annotations

from handshake_probe.diagnose.catalogue.entry import ERROR, INFO, WARNING, Entry, entry

_NEW_KEY = (
    "Give the device a new key pair and let the cloud learn its public half: in DFU mode (blinking "
    "yellow) run `particle keys doctor {id}`. On a computer with OpenSSL 3 check the new .der file "
    "with `handshake-probe keys check FILE` before you trust it.",
    "A factory reset brings no key back: it exists on the Core only, and restores firmware there.",
)
_AGAIN = (
    "Read the slot once more before you replace anything: `particle keys save NEWFILE`. A "
    "transfer that broke off damages the copy, not the device.",
)
_SERVER_KEY = (
    "Write the cloud's key and address again, in DFU mode: `particle keys server` for the Particle "
    "cloud, `particle keys server <cloud_public.der> --host <address>` for a private one. "
    "`particle keys doctor` does not touch the server key.",
)
_SERVER_AGAIN = (*_AGAIN, *_SERVER_KEY)
_CONVERT = (
    "Convert it: `openssl rsa -in FILE -inform DER -traditional -outform DER -out NEWFILE`, or "
    "`handshake-probe keys convert FILE --to der`. OpenSSL 3 leaves out the old form unless "
    "`-traditional` asks for it; the Particle CLI does not ask.",
    "Then load it into the device in DFU mode: `particle keys load NEWFILE`.",
)
_SAME_PAIR = (
    "Decide which of the two is true: read the device's key back in DFU mode with "
    "`particle keys save NEWFILE` and check it together with these files.",
    "Then tell the cloud the public half of what the device holds: "
    "`particle keys send {id} <public key file>`; only the owning account may. On a private server "
    "put it into the folder of device keys as {id}.pub.pem.",
)

ENTRIES: tuple[Entry, ...] = (
    entry(
        "HP700",
        "No key",
        WARNING,
        "The file holds something else than a key.",
        "Its first bytes and its text: neither PEM nor DER of a key, nor a slot read from flash.",
        "A key in a form this tool does not know.",
        "Check the path. A device's key comes from `particle keys save NEWFILE`, a server key from "
        "the operator of the cloud.",
    ),
    entry(
        "HP701",
        "Erased flash",
        ERROR,
        "The slot holds nothing: every byte is FF. A device that finds its own slot so makes a new "
        "key when it boots, which no cloud knows; an empty server slot is filled from the firmware "
        "since Device OS 0.7.",
        "All bytes are FF.",
        "A read-out of the wrong place in flash.",
        *_NEW_KEY,
    ),
    entry(
        "HP702",
        "PKCS#8, which the firmware cannot read",
        ERROR,
        "The key is sound, and wrapped in a form that devices do not know. In a device's slot it "
        "is cut off at 612 bytes, and the device takes the wrapper for its key.",
        "DER that starts with the algorithm's name (rsaEncryption) before the integers.",
        "Nothing, for a file that goes into a device; servers and tools read it well.",
        *_CONVERT,
    ),
    entry(
        "HP703",
        "A sound key that the firmware misreads",
        ERROR,
        "An integer in the key starts with a zero byte and is therefore stored shorter. The "
        "firmware expects fixed sizes and reads everything behind it from the wrong place. About "
        "one in a hundred keys that OpenSSL makes is like this; devices never make one.",
        "Both readings side by side: DER gives a sound key, the fixed offsets do not.",
        "Nothing: the arithmetic of both readings was tried.",
        "Write it with all integers at full size, as devices do, and load that: "
        "`handshake-probe keys convert FILE --to slot`.",
        "Or make another key pair: `particle keys doctor {id}`. It is not the doctor's fault when "
        "one run of a hundred fails; run it again.",
    ),
    entry(
        "HP704",
        "An elliptic-curve key in the slot of an RSA key",
        ERROR,
        "The device speaks TCP with RSA and finds a key of the UDP devices in its slot.",
        "A P-256 key in a slot of 612 or 512 bytes.",
        "A slot image that was put together by hand.",
        "The key was made or written for another device type: run the `particle keys` command "
        "again with the device itself in DFU mode, so that the CLI sees its type.",
        *_NEW_KEY[:1],
    ),
    entry(
        "HP705",
        "PEM text in flash",
        ERROR,
        "The text form of a key was written into the slot; the firmware reads bytes at fixed "
        "offsets and takes letters for a key.",
        "BEGIN and END lines, with erased flash behind them.",
        "Nothing.",
        "Write the DER form: `handshake-probe keys convert FILE --to der`, then "
        "`particle keys load NEWFILE` or `particle keys server NEWFILE`.",
    ),
    entry(
        "HP706",
        "A key that is cut short",
        ERROR,
        "The key ends before all its integers are there. The public half may still be whole, so "
        "the device sends a good key and cannot open the answer.",
        "The lengths inside the key against what is there.",
        "A read-out that broke off.",
        *_AGAIN,
        *_NEW_KEY,
    ),
    entry(
        "HP707",
        "A key partly erased or overwritten",
        ERROR,
        "A stretch of erased flash lies inside the key. Only a slot whose first byte is FF is ever "
        "renewed by the device; this one is used as it is.",
        "At least 16 bytes FF in a row where key bytes belong; by chance less than once in 2^100.",
        "A read-out that broke off.",
        *_AGAIN,
        *_NEW_KEY,
    ),
    entry(
        "HP708",
        "A key at the wrong place",
        ERROR,
        "Bytes were put before the key or lost from its start. The firmware reads at fixed "
        "offsets, so the device uses other numbers than the key's.",
        "INTEGER 65537 with a modulus before it, elsewhere than where the slot has it.",
        "A read-out that started at another offset than the slot.",
        *_AGAIN,
        *_NEW_KEY[:1],
        *_SERVER_KEY,
    ),
    entry(
        "HP709",
        "A damaged header in a device key",
        WARNING,
        "Bytes around the integers are damaged. The firmware does not look at them and works; "
        "OpenSSL and the Particle CLI refuse the file.",
        "The DER does not parse, and the firmware's reading gives a sound key.",
        "Nothing: the integers were checked.",
        "The device works. Flash that lost one byte may lose more: write a sound copy, "
        "`handshake-probe keys convert FILE --to slot`.",
    ),
    entry(
        "HP710",
        "Bytes behind the key",
        INFO,
        "Something that is no padding follows the key: mostly the rest of an older one.",
        "Bytes other than FF or 00 behind the last integer.",
        "Nothing; devices and OpenSSL ignore them, strict parsers refuse the file.",
    ),
    entry(
        "HP711",
        "Integers with leading zeros",
        INFO,
        "A key as devices make it: every integer at its full size. Device and OpenSSL read it, "
        "strict parsers refuse it.",
        "INTEGERs that start with more zero bytes than DER allows.",
        "Nothing.",
    ),
    entry(
        "HP712",
        "First byte erased",
        ERROR,
        "The first byte is FF, and that alone means an empty slot to the firmware: it makes a new "
        "device key at the next boot, or puts the built-in server key in place of this one "
        "(Device OS 0.7 and later).",
        "Byte 0 is FF and a key lies behind it.",
        "A read-out that started one byte off.",
        *_AGAIN,
        "Before the device boots, write the slot again with its first byte right; afterwards its "
        "old key is lost and the cloud has to learn the new one: `particle keys doctor {id}`.",
    ),
    entry(
        "HP713",
        "A key of the wrong size",
        ERROR,
        "Devices hold RSA keys of 1024 bits, clouds of 2048; every size on the wire follows.",
        "The length of the modulus.",
        "A key for something else than the handshake.",
        "Make one of the right size: `openssl genrsa -traditional -out NEWFILE 1024` for a device.",
    ),
    entry(
        "HP714",
        "Another public exponent",
        ERROR,
        "The firmware assumes 65537 and never reads the exponent, so it uses another key.",
        "The exponent in the file.",
        "Nothing.",
        *_NEW_KEY[:1],
    ),
    entry(
        "HP715",
        "A damaged integer",
        ERROR,
        "One of the numbers that a device decrypts with was changed; everything else in the key "
        "still agrees and shows what it was.",
        "The whole key rebuilt from each part of it; the reading that most integers agree with is "
        "the true one.",
        "Nothing, where one bit explains the difference.",
        *_AGAIN,
        *_NEW_KEY,
    ),
    entry(
        "HP716",
        "Integers that do not belong together",
        ERROR,
        "p, q, d and the values derived from them contradict each other, in more than one place.",
        "p * q = n, e * d = 1, and the three CRT values.",
        "Nothing.",
        *_AGAIN,
        *_NEW_KEY,
    ),
    entry(
        "HP717",
        "No RSA modulus",
        ERROR,
        "What stands where the modulus belongs cannot be the product of two large primes.",
        "Even, all ones, top bit clear, or a prime factor below 10,000.",
        "Nothing: no key that works has any of these.",
        "Get the key again from where it came; a copy that was changed on the way looks so.",
        *_SERVER_KEY,
    ),
    entry(
        "HP718",
        "Longer than a slot",
        ERROR,
        "The firmware reads 612 bytes; what lies behind them is lost.",
        "The end of the last integer.",
        "Nothing.",
        *_CONVERT,
    ),
    entry(
        "HP719",
        "A damaged integer that devices do not use",
        WARNING,
        "d or e was changed. A device decrypts without them and works; OpenSSL refuses the key.",
        "As for a damaged integer; the firmware never reads e and never uses d.",
        "Nothing.",
        "The device works. Flash that lost one bit may lose more: give it a new key when it is "
        "convenient, `particle keys doctor {id}`.",
    ),
    entry(
        "HP720",
        "A server key that devices refuse",
        ERROR,
        "The firmware's RSA code takes no even modulus and none whose first byte is zero: the "
        "device connects, gets the nonce and sends nothing.",
        "Bytes 33 to 288 of the slot, as the firmware takes them.",
        "Nothing.",
        *_SERVER_AGAIN,
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
        *_SERVER_KEY,
    ),
    entry(
        "HP723",
        "A damaged copy of another key",
        ERROR,
        "Nearly all bits are those of a key that is known, and some are not: this was that key "
        "before it was damaged. Whatever a device encrypts with it, nobody can read.",
        "Two independent keys differ in half of their bits, a copy in a few.",
        "Nothing: such likeness is no chance.",
        *_SERVER_AGAIN,
    ),
    entry(
        "HP724",
        "A damaged address record",
        ERROR,
        "The address behind the server key cannot be read; the firmware goes to its default host.",
        "Type byte, length and characters of the record at offset 384 (192 in a UDP slot).",
        "A slot read with the wrong size.",
        *_SERVER_AGAIN,
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
        ERROR,
        "The device would go to one cloud with the key of another: it connects, and is hung up on "
        "after its identity.",
        "The key's fingerprint and the address beside it.",
        "A private address that leads on to the Particle cloud.",
        *_SERVER_KEY,
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
    entry(
        "HP730",
        "A published private key",
        WARNING,
        "Everybody can read the private half of this key: it is part of a test or an example.",
        "The fingerprint.",
        "Nothing.",
        *_NEW_KEY[:1],
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
        *_SERVER_KEY,
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
