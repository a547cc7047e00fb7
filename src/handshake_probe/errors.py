"""Exceptions: raised when we or the user did something wrong, never for what a peer did."""

from __future__ import annotations


class HandshakeProbeError(Exception):
    """Base of every error this package raises on purpose; the message is one line for the user."""


class UnreadableInput(HandshakeProbeError):
    """Input that cannot be read: no capture, no such file (exit code 2)."""


class KeyFileError(UnreadableInput):
    """A key file that holds no key this tool can use; the message says what it looks like."""


class LocalProtocolError(HandshakeProbeError):
    """Our own side of a connection was asked for what its state or the protocol does not allow."""
