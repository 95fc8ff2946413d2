"""A small authoritative game world without a wire, for the sample game and for scenarios."""
