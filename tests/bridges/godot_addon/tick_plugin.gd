@tool
extends EditorPlugin
## Ticks a plugin's box in the project settings, or unticks it, as a person would, and closes the
## editor.


func _enter_tree() -> void:
	_tick.call_deferred()


func _tick() -> void:
	while EditorInterface.get_resource_filesystem().is_scanning():
		await get_tree().process_frame
	var folder := OS.get_environment("PLUGIN_FOLDER")
	EditorInterface.set_plugin_enabled(folder, OS.get_environment("UNTICKS") != "1")
	ProjectSettings.save()
	print("TICKED ", EditorInterface.is_plugin_enabled(folder))
	get_tree().quit()
