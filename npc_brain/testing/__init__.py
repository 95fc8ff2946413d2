"""Behaviour tests of NPCs: scenario files, their runner and the pytest plugin."""
