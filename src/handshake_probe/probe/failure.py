"""A failed system call in OONI's words (github.com/ooni/probe-cli, netxlite)."""

from __future__ import annotations

import errno

TIMEOUT = "generic_timeout_error"
RESET = "connection_reset"
EOF = "eof_error"

_WORDS = {
    errno.ECONNREFUSED: "connection_refused",
    errno.ECONNRESET: RESET,
    errno.EPIPE: RESET,
    errno.ECONNABORTED: "connection_aborted",
    errno.EHOSTUNREACH: "host_unreachable",
    errno.EHOSTDOWN: "host_unreachable",
    errno.ENETUNREACH: "network_unreachable",
    errno.ENETDOWN: "network_down",
    errno.ENETRESET: "network_reset",
    errno.ETIMEDOUT: "timed_out",
    errno.EACCES: "permission_denied",
    errno.EPERM: "permission_denied",
    errno.EAFNOSUPPORT: "address_family_not_supported",
    errno.EADDRINUSE: "address_in_use",
    errno.EADDRNOTAVAIL: "address_not_available",
    errno.ENOPROTOOPT: "no_protocol_option",
    errno.EINVAL: "invalid_argument",
    errno.EMSGSIZE: "message_size",
    errno.ENOBUFS: "no_buffer_space",
}


def failure_word(number: int | None) -> str:
    """Return the word for an errno; for a rare one its system name in lower case."""
    if number in _WORDS:
        return _WORDS[number]
    return "unknown_failure: " + errno.errorcode.get(number or 0, str(number)).lower()
