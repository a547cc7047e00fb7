"""The device-cloud protocol as bytes in and events out: no I/O, no clock, no randomness."""
