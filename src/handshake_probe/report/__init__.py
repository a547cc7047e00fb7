"""Tells what was found: text for a terminal, and JSON that is safe to look at."""
