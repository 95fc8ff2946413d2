"""What the engine told of its world: a snapshot with a revision. The game owns the world; we read it."""
