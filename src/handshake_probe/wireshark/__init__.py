"""The door to Wireshark: decrypted sessions as captures, a dissector, a live interface."""
