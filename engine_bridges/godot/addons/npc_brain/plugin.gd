@tool
extends EditorPlugin
## NPC Brain in the editor: the autoload client, the project settings, the dock and the exporter.

const ADDON_DIR := "res://addons/npc_brain"
const Dock := preload("res://addons/npc_brain/editor/npc_monitor.gd")
const Exporter := preload("res://addons/npc_brain/editor/npc_export_plugin.gd")
const Debugger := preload("res://addons/npc_brain/editor/npc_debugger_plugin.gd")
const Settings := preload("res://addons/npc_brain/editor/npc_settings.gd")
const FirstFiles := preload("res://addons/npc_brain/editor/first_files.gd")
const AUTOLOAD := "NpcBrain"
const CLIENT := ADDON_DIR + "/npc_brain_client.gd"

var _dock: Dock
var _exporter: Exporter
var _debugger: Debugger


func _enable_plugin() -> void:
	add_autoload_singleton(AUTOLOAD, CLIENT)
	FirstFiles.add()


func _disable_plugin() -> void:
	remove_autoload_singleton(AUTOLOAD)
	FirstFiles.remove_untouched()


func _enter_tree() -> void:
	Settings.declare()
	FirstFiles.hide_sidecar()
	# A project may have been enabled by hand, in project.godot.
	if not ProjectSettings.has_setting("autoload/" + AUTOLOAD):
		add_autoload_singleton(AUTOLOAD, CLIENT)
	_dock = Dock.new()
	_dock.name = "NPC Brain"
	add_control_to_bottom_panel(_dock, "NPC Brain")
	_debugger = Debugger.new()
	_debugger.monitor = _dock
	add_debugger_plugin(_debugger)
	_exporter = Exporter.new()
	add_export_plugin(_exporter)


func _exit_tree() -> void:
	remove_export_plugin(_exporter)
	remove_debugger_plugin(_debugger)
	remove_control_from_bottom_panel(_dock)
	_dock.queue_free()
	Settings.undeclare()


func _get_plugin_name() -> String:
	return "NPC Brain"


func _get_plugin_icon() -> Texture2D:
	return load(ADDON_DIR + "/icons/npc_brain.svg")
