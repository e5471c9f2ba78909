"""Decode-time methods: a frozen model is steered while it writes, one method per file, all on one token loop."""
