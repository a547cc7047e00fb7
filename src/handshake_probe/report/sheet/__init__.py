"""The firewall report: what it says (`content`, `compose`), and who writes it down.

A measurement is redacted first (`redaction`), then judged again, then turned into a `Report`: text
that is resolved, measured and harmless. The writers (HTML, Markdown, text) only lay it out.
"""
