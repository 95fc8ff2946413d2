extends SceneTree
## Loads every script of the addon, so that each is compiled, and prints how many could be.

const ADDON := "res://addons/npc_brain"


func _init() -> void:
	var num_loaded := 0
	for path in _scripts(ADDON):
		var script: GDScript = load(path)
		num_loaded += 1 if script != null else 0
	print("LOADED ", num_loaded)
	quit()


static func _scripts(folder: String) -> PackedStringArray:
	var paths := PackedStringArray()
	for file in DirAccess.get_files_at(folder):
		if file.ends_with(".gd"):
			paths.append(folder.path_join(file))
	for sub in DirAccess.get_directories_at(folder):
		if sub != "script_templates":
			paths.append_array(_scripts(folder.path_join(sub)))
	return paths
