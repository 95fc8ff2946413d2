"""Asking a server that speaks OpenAI's chat completions protocol; see `openai`."""
