# meta-name: NPC Brain: actor
# meta-description: Carries out what the NpcCharacter below this node wants to do.
extends _BASE_

@onready var character: NpcCharacter = $NpcCharacter


func _ready() -> void:
	character.token_received.connect(_on_token_received)
	character.line_said.connect(_on_line_said)


func _on_token_received(_turn_id: int, text: String) -> void:
	print(text)


func _on_line_said(line: NpcLine) -> void:
	print(character.display_name, ": ", line.text)


## The NPC walks; the place's id comes from NpcWorld. True when it has arrived.
func npc_go_to(target: String) -> bool:
	print("going to ", target)
	return true
