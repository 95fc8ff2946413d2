# meta-name: NPC Brain: speaks to an NPC
# meta-description: Says something to an NpcCharacter and waits for its answer.
extends _BASE_

@export var character: NpcCharacter


func speak(text: String) -> void:
	var line := await character.hear(text).line()
	if line != null:
		print(character.display_name, ": ", line.text)
