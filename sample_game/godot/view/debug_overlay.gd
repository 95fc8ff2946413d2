class_name DebugOverlay
extends PanelContainer
## What goes on behind the words: states, the last tool calls, how fast tokens come, the link.

const NUM_CALLS := 4
const REFRESH_S := 0.25

var _text: Label
var _states: Dictionary[String, String] = {}
var _calls := PackedStringArray()
var _asked_ms: Dictionary[String, int] = {}
var _first_ms := -1
var _num_tokens := 0
var _began_ms := 0
var _tokens_per_s := 0.0
var _source := ""
var _wait_s := 0.0


func _ready() -> void:
	mouse_filter = MOUSE_FILTER_IGNORE
	var rows := Look.column(self, 10.0)
	rows.add_child(Look.label("What they think", Look.NORMAL, Look.STRAW))
	_text = Look.label("", Look.SMALL)
	_text.custom_minimum_size.x = 330
	_text.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	rows.add_child(_text)
	set_anchors_and_offsets_preset(PRESET_TOP_RIGHT, PRESET_MODE_MINSIZE, 16)
	grow_horizontal = GROW_DIRECTION_BEGIN
	NpcBrain.message_received.connect(_take)
	NpcBrain.message_sent.connect(_note_sent)


func _process(delta: float) -> void:
	_wait_s -= delta
	if visible and _wait_s <= 0.0:
		_wait_s = REFRESH_S
		_text.text = _report()
		reset_size()


func _note_sent(message: Dictionary) -> void:
	if message["type"] == "npc.hear":
		_asked_ms[str(message["npc_id"])] = Time.get_ticks_msec()


func _take(message: Dictionary) -> void:
	var body: Dictionary = message["body"]
	var npc_id := str(message.get("npc_id", ""))
	match message["type"]:
		"npc.state":
			_states[npc_id] = str(body["to"])
		"turn.token":
			_note_token(npc_id)
		"turn.line":
			_source = str(body["source"])
		"turn.ended":
			var tools: Array = body.get("tools", [])
			for use: Dictionary in tools:
				_note_call("%s: %s %s" % [npc_id, use.get("tool", ""), _spelt(use.get("args", {}))])
		"action.request":
			_note_call("%s: %s %s" % [npc_id, body["tool"], _spelt(body["args"])])


func _note_token(npc_id: String) -> void:
	var now_ms := Time.get_ticks_msec()
	if _asked_ms.has(npc_id):
		_first_ms = now_ms - _asked_ms[npc_id]
		_asked_ms.erase(npc_id)
		_num_tokens = 0
		_began_ms = now_ms
	_num_tokens += 1
	if now_ms > _began_ms:
		_tokens_per_s = (_num_tokens - 1) * 1000.0 / (now_ms - _began_ms)


func _note_call(text: String) -> void:
	if _calls.is_empty() or _calls[-1] != text:
		_calls.append(text)
	while _calls.size() > NUM_CALLS:
		_calls.remove_at(0)


func _report() -> String:
	var lines := PackedStringArray()
	var model: Dictionary = NpcBrain.welcome.get("model", {})
	lines.append("sidecar  %s, model %s" % [NpcBrain.phase, model.get("name", "none")])
	if _first_ms >= 0:
		lines.append("first token  %d ms" % _first_ms)
		lines.append("speed  %.0f tokens/s, %s" % [_tokens_per_s, _source])
	lines.append("")
	for npc_id in _states:
		lines.append("%s  %s" % [npc_id, _states[npc_id].replace("_", " ")])
	if not _calls.is_empty():
		lines.append("")
		lines.append_array(_calls)
	return "\n".join(lines)


static func _spelt(args: Variant) -> String:
	if not args is Dictionary:
		return ""
	var map: Dictionary = args
	var parts := PackedStringArray()
	for key: Variant in map:
		parts.append("%s=%s" % [key, map[key]])
	return ", ".join(parts)
