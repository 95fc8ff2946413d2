"""Deciding: what an NPC does and says about what happens to it. Knows no wire."""
