"""From stored predictions to the rows of results.json; nothing here trains or reads a model."""
