"""What an NPC can do: queries answered from the world snapshot, actions that the engine carries out."""
