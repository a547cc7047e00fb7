"""Judges: events become observations, rules over observations become findings and verdicts."""
