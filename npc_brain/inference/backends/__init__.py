"""Implementations of `chat.Backend`."""
