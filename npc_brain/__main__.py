"""`python -m npc_brain`: the same as the `npc-brain` command."""

from npc_brain.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
