@tool
@icon("../icons/npc_action.svg")
class_name NpcAction
extends Resource
## Something of the game's own that an NPC can do, or a question that it can ask of the game.
##
## The sidecar offers it in the states whose [code]tools[/code] name it. When the character's actor
## has a method [code]npc_NAME[/code], that method does it and its type hints describe the
## arguments; otherwise [member parameters] do, and it arrives as
## [signal NpcCharacter.action_requested] or [signal NpcCharacter.tool_called].

## Whether the game does something, or answers at once.
enum Kind { ACTION, QUERY }

const _NAME := "^[a-z_]{1,48}$"

## Small letters and _, as the NPC file names it: [code]open_gate[/code].
@export var name := ""
## For the model: what it does, in a sentence.
@export_multiline var description := ""
## Whether the game does something, or answers at once.
@export var kind := Kind.ACTION
## Things a player may say that ask for it: with a small model they decide when it is used.
@export var examples := PackedStringArray()
## How long the game may be silent about it.
@export_range(0.1, 600.0, 0.1, "or_greater", "suffix:s") var timeout_s := 10.0
## Its arguments, when no method describes them.
@export var parameters: Array[NpcParameter] = []


## The JSON Schema of its arguments.
func schema() -> Dictionary:
	var properties: Dictionary = {}
	var required: Array = []
	for parameter in parameters:
		properties[parameter.name] = parameter.schema()
		if not parameter.is_optional:
			required.append(parameter.name)
	return {"type": "object", "properties": properties, "required": required}


## The body of [code]tool.register[/code], with [param described] as the arguments' schema.
func to_body(described: Dictionary, is_query: bool) -> Dictionary:
	return {
		"name": name,
		"description": description if not description.is_empty() else name.capitalize() + ".",
		"parameters": described,
		"kind": "query" if is_query else "action",
		"timeout_ms": roundi(timeout_s * 1000),
		"examples": Array(examples),
	}


## What is wrong with it; empty when nothing is.
func problem() -> String:
	if RegEx.create_from_string(_NAME).search(name) == null:
		return 'An action is named with small letters and _, got "%s".' % name
	for parameter in parameters:
		if parameter == null or not parameter.name.is_valid_ascii_identifier():
			return "Action %s: a parameter has no proper name." % name
	return ""
