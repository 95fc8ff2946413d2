"""Sessions: one per engine, from `hello` to expiry. Knows messages, and nothing of sockets."""
