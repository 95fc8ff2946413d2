"""What depends on the language that is spoken; only English so far."""
