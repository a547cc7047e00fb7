"""Findings on key files (HP7xx), as `keys check` says them.

Whether a device, OpenSSL or both stumble over a defect is in `keys.defects`.
"""

from __future__ import annotations

from handshake_probe.diagnose.catalogue import key_ties, server_slots
from handshake_probe.diagnose.catalogue.entry import ERROR, INFO, WARNING, Entry, entry
from handshake_probe.diagnose.catalogue.key_remedies import AGAIN, NEW_KEY, SERVER_KEY

_CONVERT = (
    "Convert it: `openssl rsa -in FILE -inform DER -traditional -outform DER -out NEWFILE`, or "
    "`handshake-probe keys convert FILE --to der`. OpenSSL 3 leaves out the old form unless "
    "`-traditional` asks for it; the Particle CLI does not ask.",
    "Then load it into the device in DFU mode: `particle keys load NEWFILE`.",
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
        *NEW_KEY,
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
        *NEW_KEY[:1],
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
        *AGAIN,
        *NEW_KEY,
    ),
    entry(
        "HP707",
        "A key partly erased or overwritten",
        ERROR,
        "A stretch of erased flash lies inside the key. Only a slot whose first byte is FF is ever "
        "renewed by the device; this one is used as it is.",
        "At least 16 bytes FF in a row where key bytes belong; by chance less than once in 2^100.",
        "A read-out that broke off.",
        *AGAIN,
        *NEW_KEY,
    ),
    entry(
        "HP708",
        "A key at the wrong place",
        ERROR,
        "Bytes were put before the key or lost from its start. The firmware reads at fixed "
        "offsets, so the device uses other numbers than the key's.",
        "INTEGER 65537 with a modulus before it, elsewhere than where the slot has it.",
        "A read-out that started at another offset than the slot.",
        *AGAIN,
        *NEW_KEY[:1],
        *SERVER_KEY,
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
        *AGAIN,
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
        *NEW_KEY[:1],
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
        *AGAIN,
        *NEW_KEY,
    ),
    entry(
        "HP716",
        "Integers that do not belong together",
        ERROR,
        "p, q, d and the values derived from them contradict each other, in more than one place.",
        "p * q = n, e * d = 1, and the three CRT values.",
        "Nothing.",
        *AGAIN,
        *NEW_KEY,
    ),
    entry(
        "HP717",
        "No RSA modulus",
        ERROR,
        "What stands where the modulus belongs cannot be the product of two large primes.",
        "Even, all ones, top bit clear, or a prime factor below 10,000.",
        "Nothing: no key that works has any of these.",
        "Get the key again from where it came; a copy that was changed on the way looks so.",
        *SERVER_KEY,
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
    *server_slots.ENTRIES,
    *key_ties.ENTRIES,
)
