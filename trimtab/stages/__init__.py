"""Stages: one verb per file, each a value that says what it needs and a visible loop that does it."""
