"""The engine's description of its world: a snapshot with a revision, which we only read."""
