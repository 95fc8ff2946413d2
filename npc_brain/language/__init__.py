"""The words of the languages that NPCs speak, as data; only English so far."""
