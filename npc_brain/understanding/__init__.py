"""What a player's words are about: by meaning, by name and by number. No NPCs, tools or wire."""
