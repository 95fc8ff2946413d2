"""The built-in tools: each module here is one, its `TOOL`."""
