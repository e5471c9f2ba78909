"""A base model that is a black box behind an OpenAI-compatible API: it goes on with text, and shows nothing else."""
