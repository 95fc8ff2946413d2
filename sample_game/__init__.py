"""A tavern village whose NPCs talk: the sample game."""
