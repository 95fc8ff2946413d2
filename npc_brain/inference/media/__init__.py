"""Pictures and sounds for a model that sees and hears: features, then soft tokens."""
