extends RefCounted
## The turns of one character that are under way; each ends exactly once, with something said when
## the sidecar is late, refuses or is gone.

## A turn began.
signal started(turn: NpcTurn)
## The next piece of its text came.
signal token_added(turn: NpcTurn, text: String)
## A whole line of it came.
signal line_added(turn: NpcTurn, line: NpcLine)
## It ended.
signal ended(turn: NpcTurn)
## The sidecar refuses one for good: a mistake of the game.
signal refused(message: Dictionary)

const Client := preload("res://addons/npc_brain/npc_brain_client.gd")
const NpcLink := preload("res://addons/npc_brain/nodes/npc_link.gd")
## How long after a turn's deadline the character says its own line: the sidecar's may be under way.
const GRACE_MS := 20

## Gives the line to say for a turn that the sidecar cannot serve: takes the [NpcTurn].
var fallback: Callable
## The link to the sidecar; null when there is none.
var client: Client
## Whose turns these are.
var npc_id := ""

var _turns: Array[NpcTurn] = []


## The turns under way, the oldest first.
func open_turns() -> Array[NpcTurn]:
	return _turns.duplicate()


## Asks for a turn, which ends by its deadline whatever becomes of the sidecar.
func hear(turn: NpcTurn, body: Dictionary, tree: SceneTree, deadline_ms: int) -> void:
	_turns.append(turn)
	client.send("npc.hear", body, npc_id, _on_hear_answered.bind(turn))
	var timer := tree.create_timer((deadline_ms + GRACE_MS) / 1000.0, true, false, true)
	timer.timeout.connect(_on_deadline.bind(turn))


## Begins a turn that the sidecar is not asked for.
func hear_alone(turn: NpcTurn, why: String) -> void:
	_turns.append(turn)
	_give_up.call_deferred(turn, why)


## Takes a message about a turn; what comes for one that has ended here is dropped.
func take(type: String, body: Dictionary) -> void:
	var turn_id: int = body.get("turn_id", 0)
	if type == "turn.started":
		var begun := NpcTurn.new(str(body.get("cause", "state")), str(body.get("speaker_id", "")))
		begun.turn_id = turn_id
		_turns.append(begun)
		started.emit(begun)
		return
	var turn := _find(turn_id)
	if turn == null:
		return
	match type:
		"turn.token":
			_add_token(turn, str(body.get("text", "")))
		"turn.line":
			_add_line(turn, NpcLine.from_body(body))
		"turn.ended":
			_end(turn, body)


## Ends a turn now: no more of it is heard.
func cancel(turn: NpcTurn) -> void:
	if not turn.has_ended:
		_tell_cancel(turn)
		_end(turn, {"outcome": "cancelled", "detail": "cancelled by the game"})


## The link is lost, and with it what the sidecar was saying.
func lose_all(why: String) -> void:
	for turn in open_turns():
		_give_up(turn, why)


func _on_hear_answered(message: Dictionary, turn: NpcTurn) -> void:
	var body := NpcLink.body_of(message)
	if message["type"] == "error":
		if not body.get("retryable", false):
			refused.emit(message)
		_give_up(turn, str(body.get("message", body.get("code", ""))))
		return
	turn.turn_id = body.get("turn_id", turn.turn_id)
	if turn.has_ended:
		_tell_cancel(turn)
	else:
		started.emit(turn)


func _on_deadline(turn: NpcTurn) -> void:
	if turn.lines.is_empty():
		_give_up(turn, "no line came by the deadline")


## Ends a turn from here, with a fallback line unless something was said.
func _give_up(turn: NpcTurn, why: String) -> void:
	if turn.has_ended:
		return
	_tell_cancel(turn)
	if not turn.lines.is_empty():
		_end(turn, {"outcome": "said", "detail": why})
	elif turn.cause == "hear":
		_fall_back(turn)
		_end(turn, {"outcome": "fallback", "detail": why})
	else:
		_end(turn, {"outcome": "cancelled", "detail": why})


func _fall_back(turn: NpcTurn) -> void:
	if turn.turn_id < 0:
		started.emit(turn)
	var line := NpcLine.new()
	line.turn_id = turn.turn_id
	line.text = fallback.call(turn)
	if turn.text.is_empty():
		_add_token(turn, line.text)
	_add_line(turn, line)


func _add_token(turn: NpcTurn, text: String) -> void:
	turn.add_token(text)
	token_added.emit(turn, text)


func _add_line(turn: NpcTurn, line: NpcLine) -> void:
	turn.add_line(line)
	line_added.emit(turn, line)
	turn.announce()


func _end(turn: NpcTurn, body: Dictionary) -> void:
	if turn.has_ended:
		return
	_turns.erase(turn)
	turn.end(body)
	ended.emit(turn)
	turn.announce()


func _tell_cancel(turn: NpcTurn) -> void:
	if turn.turn_id >= 0 and client != null and client.is_connected_to_sidecar:
		client.send("turn.cancel", {"turn_id": turn.turn_id})


func _find(turn_id: int) -> NpcTurn:
	for turn in _turns:
		if turn.turn_id == turn_id:
			return turn
	return null
