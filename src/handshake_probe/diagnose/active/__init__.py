"""Judges what an active probe saw: the same words and findings as for captures."""
