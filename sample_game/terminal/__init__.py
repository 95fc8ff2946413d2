"""The sample game in a terminal."""
