extends Node
## Plays a project's main scene for a person: waits until the sidecar is ready where there is one,
## presses Enter, and ends when the NPC has answered and the file WAITS_FOR_FILE is there.

## For each of these; only a hang takes as long.
const TIMEOUT_S := 300.0


func _ready() -> void:
	var scene: PackedScene = load("res://main.tscn")
	var game := scene.instantiate()
	add_child(game)
	var character: NpcCharacter = game.get_node("NpcCharacter")
	character.line_said.connect(_on_line_said)
	get_tree().create_timer(TIMEOUT_S).timeout.connect(get_tree().quit.bind(1))
	if OS.get_environment("WAITS_FOR_SIDECAR") == "1":
		# A slow machine is given the time for an answer of the sidecar.
		character.deadline_s = TIMEOUT_S
		while not character.client.phase in [&"ready", &"degraded"] or not character.is_spawned:
			await get_tree().process_frame
	var event := InputEventAction.new()
	event.action = "ui_accept"
	event.pressed = true
	Input.parse_input_event(event)


func _on_line_said(line: NpcLine) -> void:
	print("SOURCE ", line.source)
	# The game's own code, which waits for the line too, comes first.
	await get_tree().process_frame
	var file := OS.get_environment("WAITS_FOR_FILE")
	while not file.is_empty() and not FileAccess.file_exists(file):
		await get_tree().process_frame
	get_tree().quit()
