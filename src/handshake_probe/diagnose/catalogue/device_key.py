"""Findings on the device's own key (HP3xx)."""

from __future__ import annotations

from handshake_probe.diagnose.catalogue.entry import ERROR, INFO, WARNING, entry

DEVICE_KEY = (
    "Put the device in DFU mode (blinking yellow) and give it a new key pair that the cloud learns "
    "as well: `particle keys doctor {id}`.",
    "If it still fails, run it once more: one key in a hundred is stored in a form the firmware "
    "misreads; OpenSSL 3 writes a form it cannot read at all "
    "(`openssl rsa -traditional -outform DER` writes the right one).",
    "Only the account that owns the device can upload its key; hand over the .pub.pem file, "
    "never the private one. `handshake-probe keys check` says whether a key file is any good.",
    "A factory reset brings no key back: only the Core has one, and it restores firmware.",
)

ENTRIES = (
    entry(
        "HP301",
        "The device holds another key than registered",
        ERROR,
        "The public key the device sends differs from the one on file for it.",
        "The identity, opened with the cloud's private key, held against the register.",
        "A register file that is out of date.",
        *DEVICE_KEY,
    ),
    entry(
        "HP302",
        "The device cannot use genuine credentials",
        ERROR,
        "Cloud and signature are right, and the device closes: its private key does not fit or is "
        "damaged.",
        "384 bytes with a signature of the cloud's key, then the device closes without a Hello.",
        "A cloud that encrypts or signs the wrong bytes; a device that crashes there.",
        *DEVICE_KEY,
    ),
    entry(
        "HP303",
        "The cloud encrypts for another key",
        ERROR,
        "The credentials do not open with the private key the device holds.",
        "Raw RSA with the given key: no padding; the signature is the cloud's.",
        "A key file that is not what the device holds.",
        *DEVICE_KEY,
    ),
    entry(
        "HP304",
        "The firmware misreads the device key",
        ERROR,
        "The key is valid, but its file form is not the one the firmware's fixed offsets expect.",
        "The same file read as DER and as the firmware reads it: only the first opens the "
        "credentials.",
        "A dump that is not what the flash holds.",
        *DEVICE_KEY,
    ),
    entry(
        "HP305",
        "The device sends no RSA key",
        ERROR,
        "The public key inside the identity shows what lies in the key's slot: not a device key.",
        "Known byte patterns (erased flash, PKCS#8, elliptic curve) in the opened identity.",
        "Nothing: the nonce proves that the identity opened.",
        *DEVICE_KEY,
    ),
    entry(
        "HP306",
        "The device reports a key problem",
        WARNING,
        "The firmware found a key or address blank at boot and says so.",
        "Event spark/device/key/error in the decrypted session.",
        "Nothing: it is the device's own word; a restored key works all the same.",
        "If it comes back after every boot, write the keys again: `particle keys server`.",
    ),
    entry(
        "HP310",
        "The device closes after the credentials",
        WARNING,
        "The device got the cloud's answer and gave up: key or signature do not fit.",
        "256 bytes, 384 bytes, then the device closes without a Hello.",
        "A device that loses power at the same point every time.",
        "If `particle keys doctor {id}` changes nothing, the server key is wrong: "
        "`particle keys server`.",
    ),
    entry(
        "HP311",
        "The ciphertext is not for the device's key",
        ERROR,
        "As a number the ciphertext is larger than the modulus of the device's key: impossible if "
        "it had been made for it.",
        "Comparison with the public half of the key that the device sends, or of its key file.",
        "A key file that is not what the device holds.",
        *DEVICE_KEY,
    ),
    entry(
        "HP312",
        "A key the cloud does not encrypt for",
        INFO,
        "One ciphertext is a larger number than this key's modulus.",
        "Comparison of each ciphertext with the keys that are given for this device.",
        "Nothing: it is arithmetic.",
    ),
    entry(
        "HP313",
        "Ciphertexts too small for a key",
        INFO,
        "RSA blocks are spread evenly below their key's modulus; these stay far below this one's.",
        "The largest of k ciphertexts, x, against the modulus n: a chance of (x / n)^k, told from "
        "1 in 100 on.",
        "One larger ciphertext.",
    ),
)
