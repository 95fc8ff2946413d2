extends SceneTree
## Prints what the addon reads of the NPC files named after `--`, a JSON value a line, for a test
## that compares it with the sidecar's own reader.

const NpcFile := preload("res://addons/npc_brain/definition/npc_file.gd")
const YamlReader := preload("res://addons/npc_brain/definition/yaml_reader.gd")


func _init() -> void:
	for path in OS.get_cmdline_user_args():
		var reader := YamlReader.new()
		var started_us := Time.get_ticks_usec()
		var value: Variant = reader.parse(FileAccess.get_file_as_string(path))
		var took_us := Time.get_ticks_usec() - started_us
		var file := NpcFile.at(path)
		var fallback: Dictionary = {}
		for state in OS.get_environment("STATES").split(",", false):
			fallback[state] = Array(file.fallback_lines(state))
		var found := {
			"value": value,
			"problem": reader.problem,
			"took_us": took_us,
			"id": file.id,
			"name": file.name,
			"greeting": Array(file.greeting),
			"fallback": fallback,
			"initial": file.initial,
		}
		print("FILE ", JSON.stringify(found, "", false, true))
	quit()
