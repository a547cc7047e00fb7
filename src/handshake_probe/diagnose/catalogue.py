"""The catalogue of findings: stable codes, what each means, how it is told, what to do.

Hundreds: 1 network, 2 server key, 3 device key, 4 account, 5 protocol and peers, 6 capture quality.
In remedies `{id}` is the device id, `{device}` and `{cloud}` are addresses, `{port}` is the cloud's
port; they are filled from validated values only.
"""

from __future__ import annotations

from dataclasses import dataclass

from handshake_probe.model.vocabulary import Severity


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of finding."""

    code: str
    title: str
    severity: Severity
    meaning: str
    detection: str
    doubt: str  # what would change our mind
    remedy: tuple[str, ...]


ALLOW = (
    "Ask the network's administrator to allow outbound TCP port {port} from {device} to the cloud "
    "(by name: device.spark.io and device.tcp.particle.io; no inbound rule is needed).",
    "Check with a phone hotspot: if the device connects there, this network is the cause.",
)
NO_INSPECTION = (
    "Ask the network's administrator to exempt TCP port {port} from {device} from application "
    "control, proxying and inspection: the payload is RSA and AES, not CoAP and not TLS.",
    *ALLOW[1:],
)
SERVER_KEY = (
    "Put the device in DFU mode (blinking yellow) and write the cloud's key and address again: "
    "`particle keys server` for the Particle cloud, "
    "`particle keys server <cloud_public.der> --host <address>` for a private one.",
    "Restart the device: keys are read once per boot. A Photon has no factory reset that would "
    "do this.",
)
DEVICE_KEY = (
    "Put the device in DFU mode (blinking yellow) and give it a new key pair that the cloud learns "
    "as well: `particle keys doctor {id}`.",
    "If it still fails, run it once more: one key in a hundred is stored in a form the firmware "
    "misreads; OpenSSL 3 writes a form it cannot read at all "
    "(`openssl rsa -traditional -outform DER` writes the right one).",
    "Only the account that owns the device can upload its key; hand over the .pub.pem file, "
    "never the private one.",
)
CLOUD_SIDE = ("The operator of the cloud reads its log for {device} at the times above.",)
LONGER = ("Capture again for at least 60 seconds, and press the device's reset button meanwhile.",)


def _entry(
    code: str,
    title: str,
    severity: Severity,
    meaning: str,
    detection: str,
    doubt: str,
    *remedy: str,
) -> Entry:
    return Entry(code, title, severity, meaning, detection, doubt, remedy)


E, W, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

_ENTRIES = (
    _entry(
        "HP101",
        "DNS does not answer",
        E,
        "The device asks for the cloud's name and gets no answer, so it has no address to call.",
        "Questions for a cloud name, repeated, without any answer in the capture.",
        "Answers that the capture missed: other hosts' questions are unanswered as well.",
        "Let the device reach the DNS server it was given by DHCP, or give it another one "
        "(UDP and TCP port 53).",
        "A device with a fixed IP setup may hold a wrong DNS server: set it up again with DHCP.",
    ),
    _entry(
        "HP102",
        "DNS refuses the cloud's name",
        E,
        "The DNS server says that the cloud's name does not exist or that it will not tell.",
        "NXDOMAIN, SERVFAIL, REFUSED or an answer without addresses to an A question.",
        "A public resolver that says the same, or a name that was mistyped with "
        "`particle keys server --host`.",
        "Allow the cloud's names in the DNS filter: device.spark.io, device.tcp.particle.io.",
    ),
    _entry(
        "HP103",
        "DNS answers with a wrong address",
        E,
        "The cloud's name leads to an address that cannot be the cloud: a sinkhole, or the "
        "gateway or portal itself.",
        "0.0.0.0 or a loopback address, or the address of the DNS server that answered.",
        "A private cloud that really runs on that host: its nonce would show it.",
        "Allow the cloud's names in the DNS filter: device.spark.io, device.tcp.particle.io.",
        "On a network with a login page the device must be exempted: it cannot log in.",
    ),
    _entry(
        "HP104",
        "DNS gives two different answers",
        W,
        "One question got two answers that differ: somebody answers in the server's place.",
        "Two responses with one transaction id and different addresses.",
        "Load balancing that answers twice.",
        "Compare with another resolver over TCP or HTTPS.",
    ),
    _entry(
        "HP110",
        "Connection attempts are dropped",
        E,
        "The device's SYNs get no answer at all: a firewall drops them silently.",
        "Repeated SYNs without SYN/ACK, reset or ICMP.",
        "Other ports of the same address answer nothing either: then the host may be down.",
        *ALLOW,
    ),
    _entry(
        "HP111",
        "Connection attempts are reset by the network",
        E,
        "A reset that carries the cloud's address was made by a device on the way.",
        "Its TTL: no router has decremented it, or it differs from the cloud's other packets.",
        "A cloud that runs on the first hop itself.",
        *ALLOW,
    ),
    _entry(
        "HP113",
        "A router refuses the connection",
        E,
        "A router says in so many words that it does not let the connection pass.",
        "An ICMP error that quotes the device's own packet.",
        "A code that only says 'host unreachable' while the cloud is switched off.",
        *ALLOW,
    ),
    _entry(
        "HP114",
        "The cloud's answer does not reach the device",
        E,
        "The cloud accepts, and the device goes on asking: the answer is lost behind the capture.",
        "SYN/ACKs repeated while the device repeats its SYN.",
        "A device that crashes at that point.",
        "Look at the access point or switch between this capture and the device.",
    ),
    _entry(
        "HP120",
        "Somebody accepts in the cloud's place",
        E,
        "The port looks open, but a proxy or firewall accepts the connection, not the cloud.",
        "The SYN/ACK comes from nearer than the cloud, and no nonce follows.",
        "A genuine nonce from the same distance.",
        *NO_INSPECTION,
    ),
    _entry(
        "HP121",
        "A portal or proxy answers instead of the cloud",
        E,
        "What comes back is another protocol, not the cloud's 40 random bytes.",
        "Known first bytes (HTTP, TLS, SSH, …) or statistics no random nonce has "
        "(false alarm at most 4 in a million).",
        "A cloud address or port that was set wrongly on the device.",
        "On a network with a login page the device must be exempted: it cannot log in.",
        *NO_INSPECTION,
    ),
    _entry(
        "HP122",
        "The cloud's nonce is dropped",
        E,
        "The connection comes up, but the first data of the cloud is dropped on the way.",
        "The cloud's sequence numbers have moved over bytes that never came by.",
        "A capture that lost frames while the device acknowledged them.",
        *NO_INSPECTION,
    ),
    _entry(
        "HP123",
        "The device's identity is dropped",
        E,
        "The device's first 256 bytes are dropped on the way to the cloud.",
        "They are sent again and again and never acknowledged.",
        "A cloud host that died in the same moment.",
        *NO_INSPECTION,
    ),
    _entry(
        "HP124",
        "The cloud's answer is dropped",
        E,
        "The cloud answers the identity, and its answer is dropped on the way back.",
        "The cloud's sequence numbers have moved over bytes that never came by.",
        "A capture that lost frames while the device acknowledged them.",
        *NO_INSPECTION,
    ),
    _entry(
        "HP125",
        "Session data is dropped",
        E,
        "The handshake passes, and data of the session is dropped on the way.",
        "Repeated and never acknowledged, or skipped by the sender's sequence numbers.",
        "A peer that lost power in the same moment.",
        *NO_INSPECTION,
    ),
    _entry(
        "HP130",
        "The connection is reset by the network",
        E,
        "A device on the path cuts the connection with a reset in somebody else's name.",
        "The reset's TTL, its time, its missing timestamps; at least one fact must tell it from "
        "the peer it names, and none may contradict.",
        "A load balancer in front of the cloud with a TTL of its own.",
        *NO_INSPECTION,
    ),
    _entry(
        "HP131",
        "The session is reset",
        W,
        "A reset ends the running session; who made it cannot be told.",
        "A reset with the TTL of the cloud's own packets.",
        "A capture on the cloud's side that shows or lacks it.",
        *CLOUD_SIDE,
    ),
    _entry(
        "HP140",
        "The live session goes silent",
        E,
        "The session worked, then nothing the device sends is acknowledged any more.",
        "Data repeated without an acknowledgement in a session that carried records before.",
        "A cloud host that vanished in the same moment.",
        "Set the idle time-out of firewall and NAT for TCP port {port} to 60 seconds or more: "
        "the device speaks every 15 seconds.",
        *ALLOW[1:],
    ),
    _entry(
        "HP150",
        "The device's own internet test fails",
        INFO,
        "After the failure the firmware tests the internet, and that test gets no answer.",
        "NTP (Device OS 2.0 and later) or TCP 8.8.8.8:53 (up to 1.5) unanswered.",
        "Networks that forbid only NTP or foreign DNS: then the internet works all the same.",
        "The LED shows two orange blinks because of this; it says nothing about the cloud.",
    ),
    _entry(
        "HP201",
        "The cloud cannot read the identity",
        E,
        "The device encrypts with another server key than the cloud's.",
        "The identity does not open with the cloud's private key (the nonce inside proves "
        "success; OpenSSL's own word does not).",
        "A private key that is not this cloud's.",
        *SERVER_KEY,
    ),
    _entry(
        "HP202",
        "The identity was made with another key",
        E,
        "As a number the identity is larger than the cloud's modulus: impossible with its key.",
        "Comparison with the public key alone.",
        "A public key that is not this cloud's.",
        *SERVER_KEY,
    ),
    _entry(
        "HP203",
        "Another key signs the credentials",
        E,
        "The answer is not signed by the cloud's key, so the device refuses it.",
        "The signature does not open with the cloud's public key.",
        "A cloud with several keys; a public key that is not this cloud's.",
        "The operator compares the cloud's private key with the public key given to devices.",
        *SERVER_KEY[:1],
    ),
    _entry(
        "HP204",
        "The device sends no identity",
        E,
        "The device has the nonce and closes without answering: it cannot encrypt, most often "
        "because the server key in its flash is unusable.",
        "40 bytes to the device, none from it, and the device closes.",
        "A crash or a reset at that point.",
        *SERVER_KEY,
    ),
    _entry(
        "HP205",
        "The cloud changed",
        E,
        "The same device with the same keys was accepted earlier in this capture.",
        "An earlier complete session of the device with this cloud.",
        "A cloud whose software or register changed instead.",
        "The operator compares the cloud's key before and after its restart.",
        *SERVER_KEY,
    ),
    _entry(
        "HP206",
        "The identity belongs to another cloud",
        E,
        "The device holds the server key of another cloud that was given.",
        "The identity opens with that key and not with this cloud's.",
        "Nothing short of a wrongly named key.",
        *SERVER_KEY,
    ),
    _entry(
        "HP301",
        "The device holds another key than registered",
        E,
        "The public key the device sends differs from the one on file for it.",
        "The identity, opened with the cloud's private key, held against the register.",
        "A register file that is out of date.",
        *DEVICE_KEY,
    ),
    _entry(
        "HP302",
        "The device cannot use genuine credentials",
        E,
        "Cloud and signature are right, and the device closes: its private key does not fit.",
        "384 bytes with a signature of the cloud's key, then the device closes without a Hello.",
        "A cloud that encrypts or signs the wrong bytes; a device that crashes there.",
        *DEVICE_KEY,
    ),
    _entry(
        "HP303",
        "The cloud encrypts for another key",
        E,
        "The credentials do not open with the private key the device holds.",
        "Raw RSA with the given key: no padding; the signature is the cloud's.",
        "A key file that is not what the device holds.",
        *DEVICE_KEY,
    ),
    _entry(
        "HP304",
        "The firmware misreads the device key",
        E,
        "The key is valid, but its file form is not the one the firmware's fixed offsets expect.",
        "The same file read as DER and as the firmware reads it: only the first opens the "
        "credentials.",
        "A dump that is not what the flash holds.",
        *DEVICE_KEY,
    ),
    _entry(
        "HP305",
        "The device sends no RSA key",
        E,
        "The public key inside the identity shows what lies in the key's slot: not a device key.",
        "Known byte patterns (erased flash, PKCS#8, elliptic curve) in the opened identity.",
        "Nothing: the nonce proves that the identity opened.",
        *DEVICE_KEY,
    ),
    _entry(
        "HP306",
        "The device reports a key problem",
        W,
        "The firmware found a key or address blank at boot and says so.",
        "Event spark/device/key/error in the decrypted session.",
        "Nothing: it is the device's own word; a restored key works all the same.",
        "If it comes back after every boot, write the keys again: `particle keys server`.",
    ),
    _entry(
        "HP310",
        "The device closes after the credentials",
        W,
        "The device got the cloud's answer and gave up: key or signature do not fit.",
        "256 bytes, 384 bytes, then the device closes without a Hello.",
        "A device that loses power at the same point every time.",
        "If `particle keys doctor {id}` changes nothing, the server key is wrong: "
        "`particle keys server`.",
    ),
    _entry(
        "HP401",
        "The cloud does not know the device",
        E,
        "The device's id is not in the cloud's register.",
        "The id inside the opened identity is missing among the registered keys.",
        "A register that was given in part only.",
        "Register the device's public key with the cloud: `particle keys send {id} <key file>`.",
    ),
    _entry(
        "HP402",
        "The claim is not confirmed",
        W,
        "The device publishes its claim code on every connect, and the cloud never confirms it.",
        "Event spark/device/claim/code in every decrypted session, no event spark/device/claim/…"
        " from the cloud.",
        "A confirmation after the capture's end.",
        "Claim the device by its id: `particle device add {id}`.",
        "If it belongs to someone else, that account has to release it first.",
    ),
    _entry(
        "HP403",
        "The claim is confirmed",
        INFO,
        "The cloud confirmed the claim; the device forgets its code.",
        "Event spark/device/claim/… from the cloud in the decrypted session.",
        "Nothing.",
    ),
    _entry(
        "HP404",
        "Safe mode",
        W,
        "The device is connected but does not run its application (breathing magenta).",
        "Event spark/device/safemode in the decrypted session.",
        "Nothing: it is the device's own word.",
        "Flash the application again, or update Device OS: `particle update`.",
    ),
    _entry(
        "HP405",
        "The cloud hangs up on the identity",
        W,
        "The cloud closes right after the device's identity: it cannot read it, does not know "
        "the device, or has another key on file. The wire shows these alike.",
        "256 bytes acknowledged, then FIN or reset by the cloud, no answer.",
        "The cloud's private key or its log.",
        "Write the server key first (`particle keys server`), capture again; "
        "only if nothing changes give it a new key pair: `particle keys doctor {id}`.",
    ),
    _entry(
        "HP501",
        "The cloud refuses the connection",
        W,
        "Nothing listens at the cloud's address and port, or a firewall there refuses.",
        "A reset or ICMP error from the cloud's address in answer to the SYN.",
        "A TTL that shows a nearer sender.",
        "Check the status of the cloud; on a private cloud, that its service runs on port {port}.",
    ),
    _entry(
        "HP502",
        "No nonce",
        W,
        "The connection comes up, and the cloud's first message never comes.",
        "SYN/ACK, then no data from the cloud.",
        "A SYN/ACK from nearer than the cloud.",
        "Try from another network; on a private cloud, look at its log.",
    ),
    _entry(
        "HP503",
        "The nonce is malformed",
        W,
        "The cloud's first message is not 40 random bytes.",
        "Length and statistics of the first bytes.",
        "A known protocol in these bytes.",
        *CLOUD_SIDE,
    ),
    _entry(
        "HP504",
        "The same nonce twice",
        W,
        "Two connections got the same nonce: a broken or replayed cloud.",
        "Equal 40 bytes in two connections.",
        "Nothing: equal by chance once in 2^320.",
        *CLOUD_SIDE,
    ),
    _entry(
        "HP505",
        "The cloud fails on a right identity",
        E,
        "Nonce, id and key are right, and the cloud gives up all the same.",
        "The identity opened with the cloud's private key and held against the register.",
        "A register other than the one the cloud uses; a device that is quarantined.",
        "A Node.js update (18.19.1, 20.11.1 and later) breaks older servers for every device: "
        "start it with `--security-revert=CVE-2023-46809` or update the server.",
        *CLOUD_SIDE,
    ),
    _entry(
        "HP506",
        "The server does not reassemble",
        E,
        "The identity comes in several segments, and the server takes the first for the whole.",
        "A right identity in more than one segment, then the cloud closes.",
        "The same device failing with the identity in one segment.",
        "Raise the MSS on the path (VPN, PPPoE), or fix the server: it must read 256 bytes.",
    ),
    _entry(
        "HP507",
        "The signature has a wrong form",
        E,
        "The cloud signs in a form devices do not accept.",
        "The signature opens to something other than the bare 20 bytes.",
        "Nothing: the cloud's public key opens it.",
        "Fix the server: sign the raw 20 bytes, without DigestInfo.",
    ),
    _entry(
        "HP508",
        "The credentials have a wrong size",
        W,
        "The cloud's answer is not 384 bytes long.",
        "Bytes between the identity and the end.",
        "Bytes the capture missed.",
        *CLOUD_SIDE,
    ),
    _entry(
        "HP509",
        "The HMAC is over other bytes",
        E,
        "The credentials open, and the signed HMAC is that of other bytes.",
        "Recomputed with the opened session bytes.",
        "Nothing: arithmetic.",
        "Fix the server: HMAC-SHA1 with the 40 session bytes over the 128-byte ciphertext.",
    ),
    _entry(
        "HP510",
        "The cloud sends no Hello",
        E,
        "The device said Hello, and the cloud did not answer in its 4 seconds.",
        "A record from the device, none from the cloud.",
        "Sequence numbers that show a dropped answer.",
        *CLOUD_SIDE,
    ),
    _entry(
        "HP511",
        "The cloud's records do not decrypt",
        E,
        "The session key is right, and the cloud's later records are garbage.",
        "Decryption with the first-block IV chain: good records, then bad ones.",
        "Frames the capture missed.",
        "Fix the server: the next IV is the first 16 bytes of the previous ciphertext.",
    ),
    _entry(
        "HP512",
        "The cloud stops answering",
        E,
        "The device's last message is never answered, and it gives the session up.",
        "No record of the cloud for 10 seconds or more after the device's last one.",
        "Answers that were sent and dropped.",
        *CLOUD_SIDE,
    ),
    _entry(
        "HP513",
        "The device refuses the Describe request",
        E,
        "Device OS 3.3 and later refuse a Describe request without a query; this server gives up.",
        "4.00 in answer to GET /d, then the cloud closes.",
        "Nothing else in the session fails.",
        "Update the server, or let it ask with Uri-Query 01 and 02.",
    ),
    _entry(
        "HP514",
        "The device fails at Describe",
        E,
        "Asked to describe itself, the device ends the connection.",
        "GET /d without an answer, then the device closes; each time.",
        "A session that survives a Describe.",
        "Shorten the names of functions and variables, or update Device OS.",
    ),
    _entry(
        "HP515",
        "The cloud ends session after session",
        W,
        "Handshake and keys are fine, but the cloud closes the sessions.",
        "FIN or reset by the cloud again and again.",
        "A planned restart of the cloud.",
        *CLOUD_SIDE,
    ),
    _entry(
        "HP516",
        "The identity stays unanswered",
        W,
        "The cloud has the identity and says nothing.",
        "Acknowledged 256 bytes, then silence until the device gives up after 20 seconds.",
        "An answer that was sent and dropped.",
        *CLOUD_SIDE,
    ),
    _entry(
        "HP517",
        "The device goes silent",
        W,
        "The device stops in the middle of the handshake.",
        "Nothing from it, not even a FIN, while the cloud waits.",
        "Packets dropped between the device and the capture.",
        "Check its power supply and Wi-Fi signal.",
    ),
    _entry(
        "HP518",
        "The device closes early",
        W,
        "The device closes before the answer was due.",
        "Its FIN or reset well inside its own 20 seconds.",
        "A restart of the device (reset button, firmware update).",
        "Read its serial log of one attempt.",
    ),
    _entry(
        "HP519",
        "The device ends session after session",
        W,
        "Handshake and keys are fine, but the device does not stay.",
        "FIN or reset by the device again and again, each followed by a new connection.",
        "An application that connects and disconnects on purpose.",
        "Read its serial log; an application that blocks for 15 seconds loses the cloud.",
    ),
    _entry(
        "HP520",
        "The identity opens",
        INFO,
        "The cloud can read the identity: the device holds the right server key.",
        "The nonce inside equals the one on the wire.",
        "Nothing: arithmetic.",
    ),
    _entry(
        "HP521",
        "The device gives up on right credentials",
        E,
        "Everything the device got is right for the key it holds, and it closes.",
        "The credentials open with the device's key, as DER and as the firmware reads it.",
        "A key file that is not what the device holds: read it back with `particle keys save`.",
        "Read the device's serial log of one attempt; update Device OS.",
    ),
    _entry(
        "HP522",
        "The cloud encrypts wrongly",
        E,
        "The device holds the registered key, and the credentials do not open with it.",
        "Raw RSA with a private key that is the counterpart of the registered one.",
        "A register other than the one the cloud uses.",
        *CLOUD_SIDE,
    ),
    _entry(
        "HP530",
        "The session runs",
        INFO,
        "Both sides speak in records: the whole handshake passed.",
        "Length-prefixed records in both directions.",
        "Nothing; by chance once in a billion.",
    ),
    _entry(
        "HP601",
        "The capture is damaged",
        W,
        "The file ends or breaks in the middle; what lies before was analysed.",
        "A record that is cut short or impossible.",
        "Nothing.",
        "Copy the file again, or stop the capture properly.",
    ),
    _entry(
        "HP602",
        "Packets are cut off",
        INFO,
        "The capture keeps only the first bytes of each packet; keys cannot be tested on the rest.",
        "Captured length below the length on the wire.",
        "Nothing.",
        "Capture with full packets (snap length 0).",
    ),
    _entry(
        "HP603",
        "The capture starts late",
        INFO,
        "The connection was running already; its key exchange is not in the capture.",
        "No SYN of this connection.",
        "Nothing.",
        *LONGER,
    ),
    _entry(
        "HP604",
        "The capture lost frames",
        W,
        "Bytes are missing that their receiver acknowledged: the capture lost them.",
        "Acknowledged sequence numbers without data.",
        "Nothing.",
        "Capture on a less busy interface, or with a larger buffer.",
    ),
    _entry(
        "HP605",
        "The capture ends early",
        INFO,
        "The capture ends while the handshake is still running.",
        "The last frame comes before a step's time is up.",
        "Nothing.",
        *LONGER,
    ),
    _entry(
        "HP606",
        "No handshake traffic",
        INFO,
        "Nothing in this capture belongs to a device's cloud connection over TCP.",
        "No connection on the known ports, none of the handshake's shape on others, "
        "no question for a cloud name.",
        "Traffic on a port or an interface that was not captured.",
        "Capture on the device's own Wi-Fi or on the router, for 130 seconds or more: "
        "the device may wait that long between two attempts.",
    ),
    _entry(
        "HP607",
        "UDP 5684 traffic",
        INFO,
        "A device of a newer generation speaks DTLS over UDP 5684; this tool judges TCP.",
        "Datagrams to or from UDP port 5684.",
        "Nothing.",
        "For such a device UDP port 5684 must be open outbound.",
    ),
    _entry(
        "HP608",
        "The handshake runs on another port",
        INFO,
        "The handshake was found by its shape on a port that nobody named.",
        "40, 256 and 384 bytes in turn.",
        "Nothing.",
        "Name the port with `--port` to have every connection judged.",
    ),
    _entry(
        "HP610",
        "A memory limit was reached",
        W,
        "A connection or the capture exceeds what is kept in memory; the rest was not read.",
        "The bounds of streams, connections and tables.",
        "Nothing.",
        "Cut the capture down to the device's address and port.",
    ),
    _entry(
        "HP612",
        "One side only",
        W,
        "The capture holds the packets of one side of the connection.",
        "Acknowledgements of bytes that never appear, and no packet of the side that sent them.",
        "Nothing.",
        "Mirror both directions of the port, and use no filter on a sender's address.",
    ),
    _entry(
        "HP611",
        "Frames that cannot be read",
        INFO,
        "Some frames have a link type or a protocol this tool does not read.",
        "Counted by reason while reading.",
        "Nothing.",
    ),
)

CATALOGUE: dict[str, Entry] = {entry.code: entry for entry in _ENTRIES}
