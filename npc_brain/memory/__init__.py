"""What an NPC knows and remembers: blackboard, transcript, memories."""
