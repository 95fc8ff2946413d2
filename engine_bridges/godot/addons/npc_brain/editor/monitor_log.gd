extends RefCounted
## What the monitor knows: a bounded log of messages with filters, and the state of each NPC.
##
## Plain data; the monitor shows it.

## What a row of the log is about.
enum Topic { TURNS, STATES, ACTIONS, WORLD, ERRORS, SESSION, SIDECAR_LOG }

## How many rows are kept; the oldest go first.
const MAX_ROWS := 1000
const _TOPICS: Dictionary[String, Topic] = {
	"turn": Topic.TURNS,
	"npc.hear": Topic.TURNS,
	"npc.see": Topic.TURNS,
	"npc.state": Topic.STATES,
	"npc.event": Topic.STATES,
	"npc.spawn": Topic.STATES,
	"npc.despawn": Topic.STATES,
	"action": Topic.ACTIONS,
	"tool": Topic.ACTIONS,
	"world": Topic.WORLD,
	"error": Topic.ERRORS,
}
const _MAX_TEXT_CHARS := 400


## One line of the log.
class Row:
	extends RefCounted
	## Seconds since the log began.
	var time_s := 0.0
	## What it is about.
	var topic := Topic.SESSION
	## Whom it concerns; empty for the session.
	var npc_id := ""
	## "→" to the sidecar, "←" from it, " " for its own log.
	var direction := " "
	## What happened.
	var text := ""


## What an NPC is doing.
class Npc:
	extends RefCounted
	## The state of its machine.
	var state := ""
	## What it is saying, or said last.
	var speech := ""
	## Whether it is speaking.
	var is_speaking := false
	## The last tool that it used or asked for.
	var last_tool := ""
	## From being spoken to until its first token, in its last turn.
	var first_token_ms := 0
	## How fast its last turn came.
	var tokens_per_s := 0.0


## How far the sidecar is.
var phase := "no sidecar"
## What it says of that.
var detail := ""
## From 0 to 1.
var progress := 0.0
## Whether there is a link to it.
var is_connected_to_sidecar := false
## The log, oldest first.
var rows: Array[Row] = []
## The NPCs, by id.
var npcs: Dictionary[String, Npc] = {}

var _started_ms := Time.get_ticks_msec()


## Takes a message of the sidecar.
func add_received(message: Dictionary) -> void:
	var body: Dictionary = message.get("body", {})
	var type: String = message.get("type", "")
	var npc_id: String = message.get("npc_id", "")
	if not npc_id.is_empty():
		_follow(npc_id, type, body)
	if type == "status":
		set_status(str(body.get("phase", "")), str(body.get("detail", "")), _progress(body))
	# A token is part of a line, which is a row of its own.
	if type != "turn.token" and type != "ok":
		_add_row("←", type, npc_id, body)


## Takes a message to the sidecar.
func add_sent(message: Dictionary) -> void:
	var npc_id: String = message.get("npc_id", "")
	var body: Dictionary = message.get("body", {})
	if message["type"] == "npc.despawn":
		npcs.erase(npc_id)
	_add_row("→", str(message.get("type", "")), npc_id, body)


## Takes a line of the sidecar's own log.
func add_log(line: String) -> void:
	var row := Row.new()
	row.topic = Topic.SIDECAR_LOG
	row.text = line
	_append(row)


## Takes how far the sidecar is.
func set_status(new_phase: String, new_detail: String, new_progress: float) -> void:
	phase = new_phase
	detail = new_detail
	progress = new_progress


## Takes that the link came up, or was lost.
func set_connected(is_up: bool, why := "") -> void:
	is_connected_to_sidecar = is_up
	var row := Row.new()
	row.text = "connected" if is_up else "disconnected: " + why
	_append(row)


## The rows of [param topics] about [param npc_id] (empty: everyone) that contain [param text].
func filtered(topics: Array[Topic], npc_id := "", text := "") -> Array[Row]:
	var found: Array[Row] = []
	for row in rows:
		if (
			row.topic in topics
			and (npc_id.is_empty() or row.npc_id == npc_id)
			and (text.is_empty() or row.text.containsn(text))
		):
			found.append(row)
	return found


## Forgets the log; what NPCs are doing stays.
func clear() -> void:
	rows.clear()


func _follow(npc_id: String, type: String, body: Dictionary) -> void:
	if not npcs.has(npc_id):
		npcs[npc_id] = Npc.new()
	var npc := npcs[npc_id]
	match type:
		"npc.state":
			npc.state = body.get("to", "")
		"turn.started":
			npc.speech = ""
			npc.is_speaking = true
		"turn.token":
			npc.speech += str(body.get("text", ""))
		"turn.line":
			npc.speech = body.get("text", "")
		"action.request", "tool.call":
			npc.last_tool = body.get("tool", "")
		"turn.ended":
			npc.is_speaking = false
			_take_timings(npc, body)


func _take_timings(npc: Npc, body: Dictionary) -> void:
	var tools: Array = body.get("tools", [])
	if not tools.is_empty():
		var last: Dictionary = tools[-1]
		npc.last_tool = last.get("tool", "")
	var timings: Dictionary = body.get("timings", {})
	npc.first_token_ms = timings.get("first_token_ms", 0)
	var num_tokens: int = timings.get("num_completion_tokens", 0)
	var total_ms: int = timings.get("total_ms", 0)
	var took_ms := maxi(1, total_ms - npc.first_token_ms)
	npc.tokens_per_s = num_tokens * 1000.0 / took_ms


func _add_row(direction: String, type: String, npc_id: String, body: Dictionary) -> void:
	var row := Row.new()
	row.direction = direction
	row.npc_id = npc_id
	row.topic = _TOPICS.get(type, _TOPICS.get(type.get_slice(".", 0), Topic.SESSION))
	row.text = (type + " " + JSON.stringify(body)).left(_MAX_TEXT_CHARS)
	_append(row)


func _append(row: Row) -> void:
	row.time_s = (Time.get_ticks_msec() - _started_ms) / 1000.0
	rows.append(row)
	if rows.size() > MAX_ROWS:
		rows.pop_front()


static func _progress(body: Dictionary) -> float:
	return float(str(body.get("progress", 0.0)))
