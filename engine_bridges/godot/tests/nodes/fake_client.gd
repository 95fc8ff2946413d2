extends "res://addons/npc_brain/npc_brain_client.gd"
## A client without a socket: keeps what was sent, and says what a test tells it to.

## What was sent: maps of type, body, npc_id and on_answer.
var sent: Array[Dictionary] = []

var _handlers: Dictionary[String, Callable] = {}


func send(type: String, body: Dictionary, npc_id := "", on_answer := Callable()) -> int:
	if not is_connected_to_sidecar:
		if on_answer.is_valid():
			on_answer.call({"type": "error", "body": {"code": "connection_lost", "message": "no"}})
		return 0
	sent.append({"type": type, "body": body, "npc_id": npc_id, "on_answer": on_answer})
	return sent.size()


func register_character(npc_id: String, handler: Callable) -> void:
	_handlers[npc_id] = handler


func unregister_character(npc_id: String) -> void:
	_handlers.erase(npc_id)


## The link comes up.
func link(resumed := false) -> void:
	is_connected_to_sidecar = true
	connected.emit(resumed)


## The link is lost; what waits for an answer gets the error.
func lose() -> void:
	is_connected_to_sidecar = false
	for message in sent:
		var on_answer: Callable = message["on_answer"]
		if on_answer.is_valid() and not message.has("is_answered"):
			message["is_answered"] = true
			on_answer.call(
				{"type": "error", "body": {"code": "connection_lost", "message": "lost"}}
			)
	disconnected.emit("lost")


## A message of the sidecar's own accord.
func deliver(npc_id: String, type: String, body: Dictionary) -> void:
	_handlers[npc_id].call({"type": type, "id": 1, "npc_id": npc_id, "body": body})


## Answers the last message of a type that was sent.
func answer(type: String, answer_type: String, body: Dictionary = {}) -> void:
	var message := last(type)
	message["is_answered"] = true
	var on_answer: Callable = message["on_answer"]
	on_answer.call({"type": answer_type, "id": 1, "reply_to": 1, "body": body})


## The last message of a type that was sent; empty when there is none.
func last(type: String) -> Dictionary:
	for index in range(sent.size() - 1, -1, -1):
		if sent[index]["type"] == type:
			return sent[index]
	return {}


## The body of the last message of a type.
func last_body(type: String) -> Dictionary:
	return last(type).get("body", {})


## How many messages of a type were sent.
func count(type: String) -> int:
	var num := 0
	for message in sent:
		num += 1 if message["type"] == type else 0
	return num
