"""Reads keys: files, flash slots, and the firmware's own view of them; bytes in, values out."""
