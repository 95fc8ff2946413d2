@tool
@icon("../icons/npc_action.svg")
class_name NpcParameter
extends Resource
## One argument of an [NpcAction] that no method describes.

## What an argument may be.
enum Type { TEXT, INTEGER, NUMBER, YES_OR_NO }

## What the ids of a text argument refer to; the sidecar then allows only ids that exist now.
enum Refers { NOTHING, PLACE, PERSON, TARGET, ITEM, HELD_ITEM, USABLE_ITEM, HOLDER, TAG }

const _TYPE_NAMES: PackedStringArray = ["string", "integer", "number", "boolean"]

## Letters, digits and _.
@export var name := ""
## For the model: what it means.
@export var description := ""
## What kind of value it is.
@export var type := Type.TEXT
## For text: what its ids refer to.
@export var refers_to := Refers.NOTHING
## For text: the only values allowed, when there are any.
@export var choices := PackedStringArray()
## For numbers: the smallest and the largest value, when the second is above the first.
@export var bounds := Vector2i.ZERO
## Whether the NPC may leave it out.
@export var is_optional := false


## Its JSON Schema.
func schema() -> Dictionary:
	var described: Dictionary = {"type": _TYPE_NAMES[type]}
	if not description.is_empty():
		described["description"] = description
	if type == Type.TEXT and refers_to != Refers.NOTHING:
		var domain: String = Refers.keys()[refers_to]
		described["x-ref"] = domain.to_lower()
	elif type == Type.TEXT and not choices.is_empty():
		described["enum"] = Array(choices)
	elif type in [Type.INTEGER, Type.NUMBER] and bounds.y > bounds.x:
		described["minimum"] = bounds.x
		described["maximum"] = bounds.y
	return described
