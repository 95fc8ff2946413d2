class_name NpcActionRequest
extends RefCounted
## Something that an NPC wants to do; only the game can do it, and says what became of it.
##
## Its life: requested, then [method accept] or [method refuse], [method start], any number of
## [method progress], and exactly one of [method done], [method fail], [method cancel]. Steps may
## be skipped: a bare [method done] is enough. The NPC speaks to the outcome.

## It has come to its one end; [param status] is "done", "failed", "refused" or "cancelled".
signal ended(status: String)
## The NPC no longer wants it: end it with [method cancel], or say how it ended.
signal cancel_requested
## For the character, which tells the sidecar.
signal updated(status: String, reason: String, result: Dictionary)

const _ORDER: PackedStringArray = [
	"requested", "accepted", "started", "progress", "done", "failed", "refused", "cancelled"
]
const _FIRST_END := 4

## Unique in its session.
var action_id := 0
## Who wants it.
var npc_id := ""
## What to do, for example [code]go_to[/code].
var tool := ""
## Arguments by name; ids are ids of the world.
var args: Dictionary = {}
## How long the game may be silent about it, in milliseconds.
var timeout_ms := 0
## The turn in which it was asked for; 0 when a state asked for it.
var turn_id := 0
## How far it is.
var status := "requested"
## The last word on it: why it was refused or failed.
var reason := ""
## What the game reported last, as with [method done].
var result: Dictionary = {}
## Whether the NPC no longer wants it.
var is_cancel_requested := false
## Whether a method of the actor carries it out, so that listeners should not.
var is_handled := false

## Whether it has come to its end.
var has_ended: bool:
	get:
		return _ORDER.find(status) >= _FIRST_END


## Reads the body of [code]action.request[/code].
static func from_body(of_npc: String, body: Dictionary) -> NpcActionRequest:
	var action := NpcActionRequest.new()
	action.npc_id = of_npc
	action.action_id = body.get("action_id", 0)
	action.tool = body.get("tool", "")
	action.args = body.get("args", {})
	action.timeout_ms = body.get("timeout_ms", 0)
	action.turn_id = body.get("turn_id", 0)
	return action


## The game will do it.
func accept() -> void:
	_update("accepted")


## It has begun: the NPC may speak of being under way. [param so_far] is free-form data.
func start(so_far: Dictionary = {}) -> void:
	_update("started", "", so_far)


## It goes on; keeps it from timing out. [param so_far] is free-form data.
func progress(so_far: Dictionary = {}) -> void:
	_update("progress", "", so_far)


## It is done. [param outcome] is free-form data for the NPC's words, as [code]{count = 3}[/code].
func done(outcome: Dictionary = {}) -> void:
	_update("done", "", outcome)


## It was tried and failed. [param why] is a stable word, as "blocked": an NPC file can word it.
func fail(why: String, outcome: Dictionary = {}) -> void:
	_update("failed", why, outcome)


## It will not be done. [param why] is a stable word, as "too_far".
func refuse(why: String, outcome: Dictionary = {}) -> void:
	_update("refused", why, outcome)


## It was broken off.
func cancel(why := "cancelled") -> void:
	_update("cancelled", why)


## Notes that the NPC no longer wants it; for the character only.
func request_cancel() -> void:
	if not has_ended and not is_cancel_requested:
		is_cancel_requested = true
		cancel_requested.emit()


func _update(next: String, why := "", data: Dictionary = {}) -> void:
	if has_ended or _ORDER.find(next) < _ORDER.find(status):
		push_warning("NPC action %d (%s): %s cannot follow %s" % [action_id, tool, next, status])
		return
	status = next
	reason = why
	result = data
	updated.emit(status, reason, result)
	if has_ended:
		ended.emit(status)
