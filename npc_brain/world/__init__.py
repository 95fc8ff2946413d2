"""What the engine told of its world: a snapshot with a revision. The game owns it; we read it."""
