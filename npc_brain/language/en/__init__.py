"""English: its words as data, its spelling and grammar as code."""
