@tool
extends EditorPlugin
## Plays the main scene from the editor, as a person would, and tells what the dock then shows.

## Only a hang takes as long.
const TIMEOUT_S := 300.0
const Monitor := preload("res://addons/npc_brain/editor/npc_monitor.gd")


func _enter_tree() -> void:
	_watch.call_deferred()


func _watch() -> void:
	while EditorInterface.get_resource_filesystem().is_scanning():
		await get_tree().process_frame
	var docks: Array[Node] = []
	while docks.is_empty():
		await get_tree().process_frame
		docks = EditorInterface.get_base_control().find_children("NPC Brain", "", true, false)
	var dock: Monitor = docks[0]
	EditorInterface.play_custom_scene("res://press_enter.tscn")
	var until_ms := Time.get_ticks_msec() + roundi(TIMEOUT_S * 1000)
	while Time.get_ticks_msec() < until_ms and not _is_complete(dock):
		await get_tree().process_frame
	print("DOCK ", dock.record.phase, " ", dock.record.npcs.keys(), " ", dock.shown_rows().size())
	for row in dock.record.rows:
		print("ROW ", row.direction, " ", row.npc_id, " ", row.text)
	EditorInterface.stop_playing_scene()
	get_tree().quit()


func _is_complete(dock: Monitor) -> bool:
	for npc_id in dock.record.npcs:
		var npc := dock.record.npcs[npc_id]
		if not npc.speech.is_empty() and not npc.is_speaking:
			return true
	return false
