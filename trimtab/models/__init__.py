"""Pretrained models: where their weights are, how they are loaded, and what is read from them."""
