"""Prompts in, tokens out. This package knows neither NPCs nor tools nor the wire."""
