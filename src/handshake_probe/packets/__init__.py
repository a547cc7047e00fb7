"""Decodes frames: link, IP, TCP, UDP, ICMP, ARP; flows and TCP streams in which a gap stays a gap.

A machine: no I/O, no clock, no randomness. It never raises for what a frame holds.
"""
