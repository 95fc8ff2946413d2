@tool
extends RefCounted
## The project settings of the addon, below [code]npc_brain/[/code]: their defaults and hints.

## Where the sidecar's program is: a file, or the folder that [code]pack_sidecar.py[/code] makes.
const PATH := "npc_brain/sidecar/path"
## The folder of the NPC files.
const NPCS := "npc_brain/sidecar/npcs"
## What it speaks with.
const MODEL := "npc_brain/sidecar/model"
## Where a sidecar that was started by hand listens, or its connection file; empty starts one.
const ENDPOINT := "npc_brain/sidecar/endpoint"
## Whether the client starts with the game.
const AUTOSTART := "npc_brain/sidecar/autostart"
## Whether the monitor is shown in the running game, exported ones included.
const SHOW_IN_GAME := "npc_brain/debug/show_in_game"
## Name, default, hint, hint string.
const ALL: Array[Array] = [
	[PATH, "", PROPERTY_HINT_GLOBAL_FILE, ""],
	[ENDPOINT, "", PROPERTY_HINT_PLACEHOLDER_TEXT, "tcp://127.0.0.1:5555"],
	[
		MODEL,
		"smollm2-135m",
		PROPERTY_HINT_ENUM_SUGGESTION,
		"none,smollm2-135m,gemma3-270m,gemma-4-e2b,gemma-4-e4b"
	],
	[NPCS, "res://npcs", PROPERTY_HINT_DIR, ""],
	[AUTOSTART, true, PROPERTY_HINT_NONE, ""],
	[SHOW_IN_GAME, false, PROPERTY_HINT_NONE, ""],
]


## Makes the settings known to the editor; values that the project has stay.
static func declare() -> void:
	for row in ALL:
		var name: String = row[0]
		if not ProjectSettings.has_setting(name):
			ProjectSettings.set_setting(name, row[1])
		ProjectSettings.set_initial_value(name, row[1])
		ProjectSettings.set_as_basic(name, true)
		ProjectSettings.add_property_info(
			{"name": name, "type": typeof(row[1]), "hint": row[2], "hint_string": row[3]}
		)


## Takes the settings out again where they have their defaults, which are not saved anyway.
static func undeclare() -> void:
	for row in ALL:
		var name: String = row[0]
		if ProjectSettings.get_setting(name) == row[1]:
			ProjectSettings.set_setting(name, null)


## A setting's value, or its default where the plugin has not declared it.
static func value_of(name: String) -> Variant:
	for row in ALL:
		if row[0] == name:
			return ProjectSettings.get_setting(name, row[1])
	push_error("there is no setting %s" % name)
	return null
