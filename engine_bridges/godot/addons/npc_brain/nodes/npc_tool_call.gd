class_name NpcToolCall
extends RefCounted
## A question of an NPC that only the game can answer, once, by [method answer] or [method refuse].

## It has been answered; for the character, which tells the sidecar.
signal answered(ok: bool, result: Dictionary, error: String)

## Unique in its session.
var call_id := 0
## Who asks.
var npc_id := ""
## What is asked, for example [code]find_path[/code].
var tool := ""
## Arguments by name.
var args: Dictionary = {}
## How long the game may take, in milliseconds.
var timeout_ms := 0
## Whether it has been answered.
var is_answered := false


## Reads the body of [code]tool.call[/code].
static func from_body(of_npc: String, body: Dictionary) -> NpcToolCall:
	var question := NpcToolCall.new()
	question.npc_id = of_npc
	question.call_id = body.get("call_id", 0)
	question.tool = body.get("tool", "")
	question.args = body.get("args", {})
	question.timeout_ms = body.get("timeout_ms", 0)
	return question


## The answer, as free-form data for the NPC's words; a [code]text[/code] in it is one sentence.
func answer(result: Dictionary = {}) -> void:
	_settle(true, result, "")


## There is no answer; [param why] is a stable word, as "unreachable".
func refuse(why: String, result: Dictionary = {}) -> void:
	_settle(false, result, why)


func _settle(ok: bool, result: Dictionary, error: String) -> void:
	if is_answered:
		push_warning("NPC tool call %d (%s) was answered already" % [call_id, tool])
		return
	is_answered = true
	answered.emit(ok, result, error)
