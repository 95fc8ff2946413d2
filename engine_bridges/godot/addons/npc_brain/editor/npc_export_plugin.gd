@tool
extends EditorExportPlugin
## Puts the sidecar, its models and the NPC files beside an exported game, and stops an export that
## would lack one of them.
##
## Each export preset says which folder to take: [code]pack_sidecar.py[/code] makes it, on the
## system that the game is exported for.

const Settings := preload("res://addons/npc_brain/editor/npc_settings.gd")
const FolderCopy := preload("res://addons/npc_brain/editor/folder_copy.gd")
## The folder's name beside the game.
const FOLDER := "npc_brain_sidecar"
const INCLUDE := "npc_brain/include_sidecar"
const SOURCE := "npc_brain/sidecar_folder"
## Where the sidecar can run; a game exported for anything else speaks its authored lines.
const DESKTOPS: Dictionary[String, String] = {
	"windows": "Windows", "linux": "Linux", "macos": "Darwin"
}
const _CATEGORY := "NPC Brain"
const _STOPPER := "stopped_by_npc_brain"
## What is exported with these is no whole game.
const _PACKAGES: PackedStringArray = ["pck", "zip"]
const _SERVER_PREFIX := "openai:"


func _get_name() -> String:
	return "NpcBrain"


func _supports_platform(_platform: EditorExportPlatform) -> bool:
	return true


func _get_export_options(_platform: EditorExportPlatform) -> Array[Dictionary]:
	return [
		{"option": {"name": INCLUDE, "type": TYPE_BOOL}, "default_value": true},
		{
			"option": {"name": SOURCE, "type": TYPE_STRING, "hint": PROPERTY_HINT_GLOBAL_DIR},
			"default_value": "res://" + FOLDER,
		},
	]


func _get_export_option_warning(_platform: EditorExportPlatform, option: String) -> String:
	if option != SOURCE or not _is_included():
		return ""
	return problem_of(_source(), str(Settings.value_of(Settings.MODEL)), "")


func _export_begin(features: PackedStringArray, _is_debug: bool, path: String, _flags: int) -> void:
	_add_npc_files()
	var system := _system_of(features)
	if not _is_included():
		return
	if system.is_empty():
		_tell(
			EditorExportPlatform.EXPORT_MESSAGE_INFO,
			"The sidecar cannot run there: NPCs speak their authored lines."
		)
		return
	var problem := problem_of(_source(), str(Settings.value_of(Settings.MODEL)), system)
	var npcs := str(Settings.value_of(Settings.NPCS))
	if problem.is_empty() and _npc_files(ProjectSettings.globalize_path(npcs)).is_empty():
		problem = "There are no NPC files in %s (project setting %s)." % [npcs, Settings.NPCS]
	if problem.is_empty() and system == "Darwin" and not path.ends_with(".app"):
		problem = "Export for macOS as .app: the sidecar lies inside it."
	if not problem.is_empty():
		_fail(problem)
		return
	if path.get_extension() in _PACKAGES:
		return
	problem = FolderCopy.copy(_source(), _beside(path, system))
	if problem.is_empty():
		var target := _beside(path, system).path_join("npcs")
		problem = FolderCopy.copy(ProjectSettings.globalize_path(npcs), target)
	if not problem.is_empty():
		_fail(problem)


## Why a folder cannot go along with a game that speaks with [param model] on [param system]
## (empty: any); empty when it can.
static func problem_of(folder: String, model: String, system: String) -> String:
	var manifest_path := folder.path_join("sidecar.json")
	if not DirAccess.dir_exists_absolute(folder):
		return (
			(
				"There is no sidecar folder %s. Make it with engine_bridges/pack_sidecar.py, name it"
				+ " in the export preset (%s), or turn off %s."
			)
			% [folder, SOURCE, INCLUDE]
		)
	var manifest: Variant = JSON.parse_string(FileAccess.get_file_as_string(manifest_path))
	if not manifest is Dictionary:
		return "%s is no packed sidecar: it has no readable sidecar.json." % folder
	var packed: Dictionary = manifest
	var packed_for := str(packed.get("system", "")).get_slice(" ", 0)
	var program := "npc-brain.exe" if packed_for == "Windows" else "npc-brain"
	if not FileAccess.file_exists(folder.path_join(program)):
		return "%s lacks the sidecar's program, %s. Pack it again." % [folder, program]
	if not system.is_empty() and packed_for != system:
		return (
			"%s was packed for %s, and the game is exported for %s. Pack it there."
			% [folder, packed_for, system]
		)
	if model == "none" or model.is_empty() or model.begins_with(_SERVER_PREFIX):
		return ""
	var model_name := model.trim_suffix("/").get_file()
	if not FileAccess.file_exists(folder.path_join("models/%s/model.json" % model_name)):
		return (
			"%s lacks the model %s (project setting %s). Pack it with --model %s."
			% [folder, model_name, Settings.MODEL, model]
		)
	return ""


## The game reads NPC files itself when there is no sidecar, so those of the project go into the
## package too.
func _add_npc_files() -> void:
	var folder := str(Settings.value_of(Settings.NPCS)).simplify_path()
	if not folder.begins_with("res://") or folder.contains(".."):
		return
	for path in _npc_files(folder):
		add_file(path, FileAccess.get_file_as_bytes(path), false)


func _npc_files(folder: String) -> PackedStringArray:
	var found := PackedStringArray()
	if not DirAccess.dir_exists_absolute(folder):
		return found
	for file in DirAccess.get_files_at(folder):
		if file.get_extension() in ["yaml", "yml"]:
			found.append(folder.path_join(file))
	return found


func _is_included() -> bool:
	var is_included: bool = get_option(INCLUDE)
	return is_included


func _source() -> String:
	return ProjectSettings.globalize_path(str(get_option(SOURCE)))


## Tells a problem and stops the export. A message alone does not stop one, whatever its kind, and
## a plugin has no other way to than to ask for a library that is not there.
func _fail(problem: String) -> void:
	_tell(EditorExportPlatform.EXPORT_MESSAGE_ERROR, problem)
	add_shared_object(_source().path_join(_STOPPER), PackedStringArray(), "")


func _tell(kind: EditorExportPlatform.ExportMessageType, text: String) -> void:
	get_export_platform().add_message(kind, _CATEGORY, text)


static func _system_of(features: PackedStringArray) -> String:
	for feature in DESKTOPS:
		if feature in features:
			return DESKTOPS[feature]
	return ""


static func _beside(path: String, system: String) -> String:
	var folder := ProjectSettings.globalize_path(path).get_base_dir()
	if path.is_relative_path():
		folder = ProjectSettings.globalize_path("res://").path_join(path).get_base_dir()
	if system == "Darwin":
		folder = folder.path_join(path.get_file()).path_join("Contents/MacOS")
	return folder.simplify_path().path_join(FOLDER)
