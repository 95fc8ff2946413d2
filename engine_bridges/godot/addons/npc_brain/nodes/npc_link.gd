extends RefCounted
## How the nodes reach the client: finds it, and asks it for an answer that one can await.

const Client := preload("res://addons/npc_brain/npc_brain_client.gd")
const DebugFeed := preload("res://addons/npc_brain/nodes/debug_feed.gd")

const _AUTOLOAD := ^"NpcBrain"


## The autoload client; null when the plugin is not enabled.
static func client_of(node: Node) -> Client:
	if not node.is_inside_tree():
		return null
	var client := node.get_tree().root.get_node_or_null(_AUTOLOAD) as Client
	if client != null and not Engine.is_editor_hint():
		DebugFeed.attach_to(client)
	return client


## Sends a message and gives its answer, an [code]error[/code] included. To be awaited.
static func ask(client: Client, type: String, body: Dictionary, npc_id := "") -> Dictionary:
	if client == null:
		return {"type": "error", "body": {"code": "connection_lost", "message": "no client"}}
	var reply := Reply.new()
	client.send(type, body, npc_id, reply.settle)
	if reply.message.is_empty():
		await reply.settled
	return reply.message


## The body of a message.
static func body_of(message: Dictionary) -> Dictionary:
	return message.get("body", {})


## One answer, which may come before or after somebody waits for it.
class Reply:
	extends RefCounted
	## The answer is there.
	signal settled

	## The answer; empty until it is there.
	var message: Dictionary = {}

	## Takes the answer.
	func settle(answer: Dictionary) -> void:
		message = answer
		settled.emit()
