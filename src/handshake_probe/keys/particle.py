"""The public key, names and addresses of Particle's TCP cloud.

The modulus was read from the npm package `particle-cli` (3.43.1), file `assets/keys/rsa.pub.der`
(512 bytes, SHA-256 2a1c82fb5f28fe1ba95b4af966aca326eb22398b977fa2540233dbe703fddb16). Device OS
carries the same key.
"""

from __future__ import annotations

from ipaddress import ip_address

from handshake_probe.keys.fingerprint import fingerprint
from handshake_probe.keys.keyring import CloudKey
from handshake_probe.keys.numbers import PUBLIC_EXPONENT

PARTICLE_SOURCE = "particle-cloud"

# Defaults of Device OS below and from 4.1 on; both lead to the same service.
PARTICLE_NAMES = ("device.spark.io", "device.tcp.particle.io")

_DOMAINS = ("spark.io", "particle.io")

# Seen in published lists and logs. Addresses change without notice: labels for old captures,
# never a reason to believe or doubt that a peer is the cloud.
PARTICLE_ADDRESSES = frozenset(
    ip_address(text)
    for text in (
        "3.92.116.83",
        "3.214.233.135",
        "3.216.239.14",
        "3.225.178.96",
        "3.226.200.156",
        "3.228.52.152",
        "3.229.48.190",
        "3.230.53.201",
        "3.230.94.67",
        "18.207.91.87",
        "18.215.131.110",
        "23.23.9.20",
        "34.195.89.106",
        "34.233.110.230",
        "34.237.141.248",
        "35.171.39.5",
        "52.1.233.8",
        "52.2.199.5",
        "52.71.103.125",
        "52.91.48.237",
        "54.86.95.155",
        "54.89.85.128",
        "54.173.1.44",
        "54.208.229.4",
    )
)

_MODULUS = int(
    "beccbe43db8eea1527a6bb526de1512ba0abcca1647748ad7c66fc807ff699a5"
    "25f2f2dae043cf3a26a49ba187030e9a8d239abcea99ea68d35a14b1260fbdaa"
    "6d6f0cacc4772cd1c5c8b1d17b68e025737b52896820bd06c6f0e60030c0e0cf"
    "f61b3a45e9c45b551706a3d34ac6d5b8d21702b5277d8de4d47dd3edc01d8a7c"
    "251e214a51ae5706dd60bca13490aacc099e3b3a414c3c9df3fdfdb727c15981"
    "9854604a627aa49abfdf921b3efca7e4a4b33a9a5f57938eeb196495224a2cd5"
    "60f5f9d003508369c06b53f0f0daf813821fccbb5fe2c1df3ae97f5de27db950"
    "803c5833ef8cf3803f1101d268865f3c5ee6c18e322b28cbb5cc1ba8505ea70d",
    16,
)

PARTICLE_CLOUD = CloudKey(
    fingerprint=fingerprint(_MODULUS, PUBLIC_EXPONENT),
    source=PARTICLE_SOURCE,
    n=_MODULUS,
    e=PUBLIC_EXPONENT,
    private=None,
    named=False,
    address="device.spark.io:5683",
)


def is_particle_name(name: str) -> bool:
    """Tell whether a DNS name lies in Particle's domains; case and a final dot do not count."""
    folded = name.lower().removesuffix(".")
    return folded.endswith(tuple(f".{domain}" for domain in _DOMAINS)) or folded in _DOMAINS


def is_particle_address(text: str) -> bool:
    """Tell whether an address was known as the Particle cloud's; False for what is no address."""
    try:
        return ip_address(text) in PARTICLE_ADDRESSES
    except ValueError:
        return False
