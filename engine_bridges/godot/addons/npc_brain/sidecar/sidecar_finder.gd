extends RefCounted
## Where the sidecar's program is, and how it is run. Looks, in this order, at the folder beside an
## exported game, the project setting, virtual environments in and above the project, and PATH.

const Settings := preload("res://addons/npc_brain/editor/npc_settings.gd")

## The folder of a packed sidecar, beside an exported game.
const PACKED_DIR := "npc_brain_sidecar"
const PROGRAM := "npc-brain"
const HINT := "Set npc_brain/sidecar/path, or install npc_brain into .venv beside the project."


## The program's path, or an empty text; [param problem] gets why.
static func find(problem: PackedStringArray) -> String:
	var configured: String = Settings.value_of(Settings.PATH)
	if not OS.has_feature("editor"):
		var packed := packed_dir().path_join(_file_name())
		if FileAccess.file_exists(packed):
			return packed
	if not configured.is_empty():
		var path := ProjectSettings.globalize_path(configured)
		if DirAccess.dir_exists_absolute(path):
			path = path.path_join(_file_name())
		if FileAccess.file_exists(path):
			return path
		problem.append("npc_brain/sidecar/path names %s, which is not there." % path)
		return ""
	for path in _candidates():
		if FileAccess.file_exists(path):
			return path
	problem.append("There is no sidecar: no %s was found. %s" % [PROGRAM, HINT])
	return ""


## The folder beside an exported game where its packed sidecar is.
static func packed_dir() -> String:
	return OS.get_executable_path().get_base_dir().path_join(PACKED_DIR)


## What to run the program with, so that it ends with this process.
static func arguments(program: String) -> PackedStringArray:
	var model: String = Settings.value_of(Settings.MODEL)
	var result := PackedStringArray(["serve", "--bind", "tcp://127.0.0.1:0", "--model", model])
	result.append_array(["--parent-pid", str(OS.get_process_id())])
	var npcs := npcs_dir(program)
	if not npcs.is_empty():
		result.append_array(["--npcs", npcs])
	return result


## The folder of NPC files: that of a packed sidecar, or the one of the settings; empty for none.
static func npcs_dir(program: String) -> String:
	var packed := program.get_base_dir().path_join("npcs")
	if not OS.has_feature("editor") and DirAccess.dir_exists_absolute(packed):
		return packed
	var configured: String = Settings.value_of(Settings.NPCS)
	var path := ProjectSettings.globalize_path(configured)
	return path if DirAccess.dir_exists_absolute(path) else ""


static func _candidates() -> PackedStringArray:
	var folders := PackedStringArray()
	var project := ProjectSettings.globalize_path("res://").trim_suffix("/")
	while not project.is_empty() and project != project.get_base_dir():
		folders.append_array(_of_environment(project.path_join(".venv")))
		project = project.get_base_dir()
	if OS.has_environment("VIRTUAL_ENV"):
		folders.append_array(_of_environment(OS.get_environment("VIRTUAL_ENV")))
	var separator := ";" if OS.has_feature("windows") else ":"
	folders.append_array(OS.get_environment("PATH").split(separator, false))
	var paths := PackedStringArray()
	for folder in folders:
		paths.append(folder.path_join(_file_name()))
	return paths


static func _of_environment(folder: String) -> PackedStringArray:
	return PackedStringArray([folder.path_join("Scripts" if OS.has_feature("windows") else "bin")])


static func _file_name() -> String:
	return PROGRAM + ".exe" if OS.has_feature("windows") else PROGRAM
