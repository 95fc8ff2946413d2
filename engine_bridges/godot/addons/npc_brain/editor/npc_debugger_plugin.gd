@tool
extends EditorDebuggerPlugin
## Brings what a running game's client sees to the dock.

const Monitor := preload("res://addons/npc_brain/editor/npc_monitor.gd")
const PREFIX := "npc_brain"

## The dock.
var monitor: Monitor


func _has_capture(capture: String) -> bool:
	return capture == PREFIX


func _capture(message: String, data: Array, _session_id: int) -> bool:
	monitor.take(message.trim_prefix(PREFIX + ":"), data)
	return true


func _setup_session(session_id: int) -> void:
	get_session(session_id).started.connect(monitor.reset)
