"""The `npc-brain` command."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; see `npc-brain --help`. Returns the exit code."""
    raise SystemExit("not wired yet")
