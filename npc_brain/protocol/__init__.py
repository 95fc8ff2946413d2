"""NPC Brain Protocol 1: messages, frames and their limits. Knows nothing of sockets or NPCs."""
