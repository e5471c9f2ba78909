"""Stages of a search study: rewards, a guide pair, answers by every method, and what judges make of them."""
