"""Stages of a study whose split is by level: data, split and compare, with the easy items that are kept for a second
test."""
