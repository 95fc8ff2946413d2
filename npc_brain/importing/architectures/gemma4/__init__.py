"""Gemma 4 (E2B and E4B): its graph, its towers, and the three kinds of files it comes in."""
