@tool
extends RefCounted
## What a project gets when the plugin is enabled: a first NPC file if it has none, and the script
## templates. Disabling takes away what nobody has changed.

const Settings := preload("res://addons/npc_brain/editor/npc_settings.gd")
const _SOURCE := "res://addons/npc_brain/first_project/innkeeper.yaml"
const _TEMPLATES := "res://addons/npc_brain/script_templates/"
const _TEMPLATES_SETTING := "editor/script/templates_search_path"


## Adds the files that are missing.
static func add() -> void:
	var folder := str(Settings.value_of(Settings.NPCS))
	if not DirAccess.dir_exists_absolute(folder):
		_copy(_SOURCE, folder.path_join(_SOURCE.get_file()))
	for template in _templates():
		_copy(_TEMPLATES + template, _template_path(template))


## Removes the script templates that are as they were added; NPC files are the author's.
static func remove_untouched() -> void:
	for template in _templates():
		var path := _template_path(template)
		if FileAccess.get_md5(path) == FileAccess.get_md5(_TEMPLATES + template):
			DirAccess.remove_absolute(path)


## Keeps the editor from importing a packed sidecar that lies in the project.
static func hide_sidecar() -> void:
	var mark := "res://npc_brain_sidecar/.gdignore"
	if DirAccess.dir_exists_absolute(mark.get_base_dir()) and not FileAccess.file_exists(mark):
		FileAccess.open(mark, FileAccess.WRITE).close()


static func _templates() -> PackedStringArray:
	var found := PackedStringArray()
	for base in DirAccess.get_directories_at(_TEMPLATES):
		for file in DirAccess.get_files_at(_TEMPLATES + base):
			if file.ends_with(".gd"):
				found.append(base.path_join(file))
	return found


static func _template_path(template: String) -> String:
	var folder := str(ProjectSettings.get_setting(_TEMPLATES_SETTING, "res://script_templates"))
	return folder.path_join(template)


static func _copy(from: String, to: String) -> void:
	if FileAccess.file_exists(to):
		return
	DirAccess.make_dir_recursive_absolute(to.get_base_dir())
	var error := DirAccess.copy_absolute(from, to)
	if error != OK:
		push_warning("NPC Brain: %s was not written: %s" % [to, error_string(error)])
