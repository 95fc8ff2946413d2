extends "res://tests/test_case.gd"
## What the nodes' tests are made of: a character below an actor, and a client without a socket.

const FakeClient := preload("res://tests/nodes/fake_client.gd")
const NPC_FILE := "res://addons/npc_brain/first_project/innkeeper.yaml"

## The client that the nodes talk to.
var client := FakeClient.new()


## Ends what the test has added.
func clean_up() -> void:
	for child in get_children():
		child.free()
	client.free()
	await super()


## Waits for a number of frames.
func frames(num: int) -> void:
	for _frame in num:
		await get_tree().process_frame


## A character below [param actor] (a plain node when null), in the tree.
func add_character(actor: Node = null, id := "berta") -> NpcCharacter:
	if actor == null:
		actor = Node.new()
	var character := NpcCharacter.new()
	character.client = client
	character.npc_id = id
	character.definition_file = NPC_FILE
	actor.add_child(character)
	add_child(actor)
	return character


## A character that the sidecar has.
func add_spawned(actor: Node = null) -> NpcCharacter:
	client.link()
	var character := add_character(actor)
	await frames(1)
	client.answer("npc.spawn", "npc.state", {"to": "tending_bar", "event": "spawn"})
	return character
