"""Splits by difficulty: ground truth on the easy items, answers wanted on the hard ones."""
