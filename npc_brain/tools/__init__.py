"""What an NPC can do: queries answered from the world, actions that the engine carries out."""
