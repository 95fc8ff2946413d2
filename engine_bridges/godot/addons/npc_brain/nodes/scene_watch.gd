extends RefCounted
## Tells an [NpcWorld] of the characters and markers of its scene: what is new, what has moved, and
## what has left.

var _world: NpcWorld
## Entities and places that came from the scene, by id; the game's own are not touched.
var _told: Dictionary[String, String] = {}


func _init(world: NpcWorld) -> void:
	_world = world


## Looks once.
func look() -> void:
	var here: Dictionary[String, bool] = {}
	for node in _world.get_tree().get_nodes_in_group(NpcCharacter.GROUP):
		var character: NpcCharacter = node
		here[character.npc_id] = true
		_tell_entity(character.npc_id, character.display_name, "npc", character.actor, {})
	for node in _world.get_tree().get_nodes_in_group(NpcMarker.GROUP):
		var marker: NpcMarker = node
		here[marker.id] = true
		if marker.kind == NpcMarker.Kind.PLACE:
			_tell_place(marker)
		else:
			_tell_entity(
				marker.id, marker.display_name, marker.entity_kind(), marker.spot(), marker.more()
			)
	for id: String in _told.keys():
		if not here.has(id):
			_world.remove(_told[id], id)
			_told.erase(id)


func _tell_place(marker: NpcMarker) -> void:
	var position := _world.position_of_node(marker.spot())
	if position.is_empty() or _world.has("places", marker.id):
		return
	_told[marker.id] = "places"
	_world.set_place(marker.id, marker.display_name, position, marker.more())


## What the game has described itself keeps that description, and moves with its node.
func _tell_entity(
	id: String, shown_name: String, kind: String, node: Node, more: Dictionary
) -> void:
	var position := _world.position_of_node(node)
	if position.is_empty():
		return
	if _world.has("entities", id):
		_world.move_entity(id, position)
	else:
		_told[id] = "entities"
		_world.set_entity(id, shown_name, kind, position, more)
