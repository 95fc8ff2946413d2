@tool
@icon("../icons/npc_follower.svg")
class_name NpcStateFollower
extends Node
## Hands an NPC's state and blackboard on to a state machine or behaviour tree of another addon, or
## to an animation. Put it below an [NpcCharacter].
##
## It knows its receivers by their methods, so none of these addons is needed:
## [br]- [code]dispatch(event)[/code], as of LimboAI's LimboHSM: gets each state's name as an event.
## [br]- [code]set_var(name, value)[/code], as of LimboAI's Blackboard, and
## [code]set_value(key, value)[/code], as of Beehave's: get the blackboard, and the state as
## [member state_key].
## [br]- [AnimationTree]: travels to the state's name in its state machine.

## It has handed a state on.
signal followed(state: String)

## What is to follow: a node, or an object through [method follow_with].
@export var receiver: Node
## The blackboard's key for the state.
@export var state_key := "npc_state"
## Goes before each key of the NPC's blackboard.
@export var key_prefix := "npc_"
## Other names for states, for a receiver that has its own.
@export var names: Dictionary[String, String] = {}

var _receivers: Array[Object] = []
var _character: NpcCharacter


func _ready() -> void:
	if Engine.is_editor_hint():
		return
	_character = get_parent() as NpcCharacter
	if receiver != null:
		_receivers.append(receiver)
	if _character != null:
		_character.state_changed.connect(_on_state_changed)
		_character.blackboard_changed.connect(_on_blackboard_changed)


func _get_configuration_warnings() -> PackedStringArray:
	var warnings := PackedStringArray()
	if not get_parent() is NpcCharacter:
		warnings.append("Put it below an NpcCharacter.")
	return warnings


## Adds a receiver that is no node, such as a LimboAI [code]Blackboard[/code].
func follow_with(object: Object) -> void:
	_receivers.append(object)


func _on_state_changed(_from: String, to: String, _event: String) -> void:
	var state: String = names.get(to, to)
	for object in _receivers:
		if object.has_method(&"dispatch"):
			object.call(&"dispatch", StringName(state))
		if object is AnimationTree:
			var playback: AnimationNodeStateMachinePlayback = object.get(&"parameters/playback")
			playback.travel(StringName(state))
		_set_value(object, state_key, state)
	followed.emit(state)


func _on_blackboard_changed(blackboard: Dictionary) -> void:
	for object in _receivers:
		for key: String in blackboard:
			_set_value(object, key_prefix + key, blackboard[key])


static func _set_value(object: Object, key: String, value: Variant) -> void:
	if object.has_method(&"set_var"):
		object.call(&"set_var", StringName(key), value)
	elif object.has_method(&"set_value"):
		object.call(&"set_value", key, value)
