"""Sockets: the sidecar's end of the wire. Knows frames and identities, not what messages mean."""
