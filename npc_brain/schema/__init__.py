"""Arguments of tools: the subset of JSON Schema that describes them, and whatever reads it."""
