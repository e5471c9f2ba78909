"""How a model learns from labels: a probe on stored activations, or gradient tuning of the model itself."""
