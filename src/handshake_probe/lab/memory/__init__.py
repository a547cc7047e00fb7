"""An in-memory path: two played sides on a simulated TCP/IP link, without sockets or a clock.

The same story gives the same frames, byte for byte and at the same simulated times.
"""
