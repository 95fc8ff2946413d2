"""One NPC: its authored definition, state machine and triggers. Knows no wire and no model."""
