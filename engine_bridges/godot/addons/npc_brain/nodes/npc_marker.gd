@tool
@icon("../icons/npc_marker.svg")
class_name NpcMarker
extends Node
## Tells NPCs of its parent: a place that one can go to, the player, or a thing that stands there.
## [NpcWorld] follows where the parent is.

## What the parent is to NPCs.
enum Kind { PLACE, PLAYER, OBJECT }

## The group that every marker is in.
const GROUP := &"npc_markers"

## Its id in the game's world: letters, digits and [code]_ . : / -[/code].
@export var id := "":
	set(value):
		id = value
		update_configuration_warnings()
## Its name, as NPCs say it: "the old mill". Empty takes the id.
@export var display_name := "":
	get:
		return id.capitalize() if display_name.is_empty() else display_name
## What it is to NPCs.
@export var kind := Kind.PLACE
## What it looks like.
@export_multiline var description := ""
## Other words that players may use for it.
@export var aliases := PackedStringArray()
## Words for kinds of it, as "shop": an NPC can be asked for the nearest.
@export var tags := PackedStringArray()


func _enter_tree() -> void:
	if not Engine.is_editor_hint():
		add_to_group(GROUP)


func _get_configuration_warnings() -> PackedStringArray:
	var warnings := PackedStringArray()
	if RegEx.create_from_string("^[A-Za-z0-9_.:/-]{1,64}$").search(id) == null:
		warnings.append("Give it an id of letters, digits and _ . : / -")
	if not (get_parent() is Node2D or get_parent() is Node3D or get_parent() is Control):
		warnings.append("Put it below a node that has a position.")
	return warnings


## The node whose position counts.
func spot() -> Node:
	return get_parent()


## The kind of entity on the wire.
func entity_kind() -> String:
	return "player" if kind == Kind.PLAYER else "object"


## What there is to say of it.
func more() -> Dictionary:
	return {"description": description, "aliases": Array(aliases), "tags": Array(tags)}
