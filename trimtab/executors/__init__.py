"""Ways to run a plan: each gives the same digests and, at equal precision and threads, the same numbers."""
