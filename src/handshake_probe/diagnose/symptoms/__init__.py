"""What a device itself says, as tables: its LED, its numbers, its stages, and what remedies do.

Facts are from Device OS's source, version by version, and from measurements of its full firmware;
where public documentation differs, the source counts.
"""
