"""Finds out why a Particle or Spark device does not get through its cloud handshake."""

__version__ = "0.1.0"
