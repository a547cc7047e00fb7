"""Stands in: a cloud and a device on real sockets, sound or with a named fault."""
