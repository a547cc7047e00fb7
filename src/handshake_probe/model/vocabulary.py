"""The fixed words of the measurement document. A word here is a contract with other programs."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why a device has no cloud session, or that it has one."""

    HEALTHY = "healthy"
    NETWORK_BLOCKED = "network_blocked"
    SERVER_KEY_MISMATCH = "server_key_mismatch"
    DEVICE_KEY_CORRUPTION = "device_key_corruption"
    DEVICE_UNKNOWN = "device_unknown"
    SERVER_FAULT = "server_fault"
    DEVICE_FAULT = "device_fault"
    UNCLAIMED = "unclaimed"
    INCONCLUSIVE = "inconclusive"


# Most severe first: the document's verdict is that of its most severe device.
SEVERITY_ORDER: tuple[Cause, ...] = (
    Cause.NETWORK_BLOCKED,
    Cause.SERVER_KEY_MISMATCH,
    Cause.DEVICE_KEY_CORRUPTION,
    Cause.DEVICE_UNKNOWN,
    Cause.SERVER_FAULT,
    Cause.DEVICE_FAULT,
    Cause.UNCLAIMED,
    Cause.INCONCLUSIVE,
    Cause.HEALTHY,
)


class Stage(StrEnum):
    """The furthest step a handshake reached, in the order of the handshake."""

    NONE = "none"
    DNS = "dns"
    TCP_SYN = "tcp_syn"
    TCP_ESTABLISHED = "tcp_established"
    NONCE_RECEIVED = "nonce_received"
    IDENTITY_SENT = "identity_sent"
    CREDENTIALS_RECEIVED = "credentials_received"
    HELLO_SENT = "hello_sent"
    SESSION = "session"

    @property
    def order(self) -> int:
        """Position in the handshake, 0 for `none`."""
        return _STAGE_ORDER[self]

    def reached(self, other: Stage) -> bool:
        """Whether this stage is `other` or lies behind it."""
        return self.order >= other.order


_STAGE_ORDER = {stage: index for index, stage in enumerate(Stage)}


class Confidence(StrEnum):
    """How firm a verdict or a finding is."""

    PROVEN = "proven"  # arithmetic or an explicit refusal leaves no other reading
    LIKELY = "likely"  # explains everything seen; the other candidates would need a coincidence
    POSSIBLE = "possible"


class Severity(StrEnum):
    """How much a finding matters to the owner of the device."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class EndedBy(StrEnum):
    """What ended a connection first."""

    DEVICE_FIN = "device_fin"
    DEVICE_RST = "device_rst"
    CLOUD_FIN = "cloud_fin"
    CLOUD_RST = "cloud_rst"  # a reset that carries the cloud's address, whoever made it
    ICMP = "icmp"
    SILENCE = "silence"  # nobody closed; one side was not heard any more
    CAPTURE_END = "capture_end"  # still alive when the capture ended


class Mechanism(StrEnum):
    """How the cause acts."""

    DNS_NO_ANSWER = "dns_no_answer"
    DNS_REFUSED = "dns_refused"
    DNS_NO_ADDRESS = "dns_no_address"
    DNS_SINKHOLE = "dns_sinkhole"
    DNS_REDIRECT = "dns_redirect"
    SYN_DROPPED = "syn_dropped"
    SYN_RESET = "syn_reset"
    SYN_ACK_LOST = "syn_ack_lost"
    CONNECTION_REFUSED = "connection_refused"
    ICMP_PROHIBITED = "icmp_prohibited"
    ICMP_UNREACHABLE = "icmp_unreachable"
    FOREIGN_NONCE = "foreign_nonce"
    ACCEPTED_ON_BEHALF = "accepted_on_behalf"
    NO_NONCE = "no_nonce"
    NONCE_MALFORMED = "nonce_malformed"
    NONCE_DROPPED = "nonce_dropped"
    IDENTITY_NOT_SENT = "identity_not_sent"
    IDENTITY_DROPPED = "identity_dropped"
    IDENTITY_NOT_DECRYPTABLE = "identity_not_decryptable"
    IDENTITY_REFUSED = "identity_refused"
    IDENTITY_UNANSWERED = "identity_unanswered"
    IDENTITY_NOT_REASSEMBLED = "identity_not_reassembled"
    DEVICE_NOT_REGISTERED = "device_not_registered"
    REGISTERED_KEY_DIFFERS = "registered_key_differs"
    EC_KEY_IN_SLOT = "ec_key_in_slot"
    WRAPPED_KEY_IN_SLOT = "wrapped_key_in_slot"  # PKCS#8
    SLOT_ERASED = "slot_erased"
    SLOT_SHIFTED = "slot_shifted"
    SLOT_DAMAGED = "slot_damaged"
    IDENTITY_REPEATED = "identity_repeated"
    CREDENTIALS_DROPPED = "credentials_dropped"
    CREDENTIALS_MALFORMED = "credentials_malformed"
    CREDENTIALS_NOT_DECRYPTABLE = "credentials_not_decryptable"
    CREDENTIALS_REFUSED = "credentials_refused"
    SIGNATURE_BY_ANOTHER_KEY = "signature_by_another_key"
    SIGNATURE_MALFORMED = "signature_malformed"
    KEY_UNREADABLE_BY_FIRMWARE = "key_unreadable_by_firmware"
    CLOUD_KEY_CHANGED = "cloud_key_changed"
    RECORD_DROPPED = "record_dropped"
    NO_SERVER_HELLO = "no_server_hello"
    RECORDS_NOT_DECRYPTABLE = "records_not_decryptable"
    RESET_BEFORE_NONCE = "reset_before_nonce"
    RESET_AFTER_NONCE = "reset_after_nonce"
    RESET_AFTER_IDENTITY = "reset_after_identity"
    RESET_AFTER_CREDENTIALS = "reset_after_credentials"
    RESET_IN_SESSION = "reset_in_session"
    SESSION_SILENT = "session_silent"
    PING_UNANSWERED = "ping_unanswered"
    SESSION_CLOSED_BY_CLOUD = "session_closed_by_cloud"
    SESSION_CLOSED_BY_DEVICE = "session_closed_by_device"
    DESCRIBE_REFUSED = "describe_refused"
    DESCRIBE_UNANSWERED = "describe_unanswered"
    DEVICE_SILENT = "device_silent"
    DEVICE_CLOSED_EARLY = "device_closed_early"
    CLAIM_NOT_CONFIRMED = "claim_not_confirmed"
    CAPTURE_TOO_SHORT = "capture_too_short"
    CAPTURE_INCOMPLETE = "capture_incomplete"
    NO_TRAFFIC = "no_traffic"
    OTHER_PATH = "other_path"  # the probe's way out is not the device's
    NO_IPV4 = "no_ipv4"
    IDLE_TIMEOUT = "idle_timeout"
    DEVICE_SINGLED_OUT = "device_singled_out"  # this device alone is blocked
    CONNECT_FAILED = "connect_failed"  # in the device's own words, which do not say how
    HANDSHAKE_FAILED = "handshake_failed"  # likewise
