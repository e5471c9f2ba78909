"""Data sets that need not fit in memory: some rows at a time; duplicates and splits are found through the disk."""
