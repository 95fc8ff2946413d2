extends Node
## The autoload [code]NpcBrain[/code]: starts the sidecar, keeps the link to it, and brings its
## messages to the game's thread.
##
## Games rarely need more than its signals: [NpcCharacter] and [NpcWorld] do the talking. All I/O
## is on a thread of its own; a frame spends [member frame_budget_us] at most on messages.

## There is a session. [param resumed]: the NPCs of the earlier connection are still there.
signal connected(resumed: bool)
## The connection was lost; it is re-established automatically.
signal disconnected(reason: String)
## How far the sidecar is: "starting", "loading", "warming", "ready", "degraded", or "offline" while
## there is none.
signal status_changed(phase: StringName, detail: String, progress: float)
## Any message of the sidecar.
signal message_received(message: Dictionary)
## Any message to the sidecar.
signal message_sent(message: Dictionary)
## Something that nobody asked about went wrong.
signal error_received(code: String, text: String, hint: String)
## A line of the sidecar's log.
signal log_received(line: String)

const Finder := preload("res://addons/npc_brain/sidecar/sidecar_finder.gd")
const Link := preload("res://addons/npc_brain/transport/link.gd")
const Settings := preload("res://addons/npc_brain/editor/npc_settings.gd")
const SidecarProcess := preload("res://addons/npc_brain/sidecar/sidecar_process.gd")

const VERSION := "0.1.0"
const OFFLINE := &"offline"
const NUM_LOG_LINES := 500

## Microseconds that a frame may spend on messages; what is left waits for the next one.
var frame_budget_us := 2000
## The last [signal status_changed].
var phase: StringName = OFFLINE
## What the sidecar answered to hello: model, features, limits.
var welcome: Dictionary = {}
## Whether messages can be sent.
var is_connected_to_sidecar := false
## The last lines of the sidecar's log.
var log_lines := PackedStringArray()

var _link: Link
## Links that were asked to stop and have not ended yet.
var _ending: Array[Link] = []
var _epoch := 0
var _waiting: Array[Dictionary] = []
var _next := 0
var _answers: Dictionary[int, Callable] = {}
var _characters: Dictionary[String, Callable] = {}


func _ready() -> void:
	process_mode = Node.PROCESS_MODE_ALWAYS
	process_priority = -1000
	if not Engine.is_editor_hint() and Settings.value_of(Settings.AUTOSTART):
		start()


func _exit_tree() -> void:
	stop()
	for link in _ending:
		link.join()
	_ending.clear()


func _process(_delta: float) -> void:
	for index in range(_ending.size() - 1, -1, -1):
		if not _ending[index].is_running():
			_ending[index].join()
			_ending.remove_at(index)
	if _link == null:
		return
	var until_us := Time.get_ticks_usec() + frame_budget_us
	while _link != null:
		if _next >= _waiting.size():
			_waiting = _link.take_events()
			_next = 0
			if _waiting.is_empty():
				return
		var event := _waiting[_next]
		_next += 1
		_handle(event)
		if Time.get_ticks_usec() >= until_us:
			return


## Starts the sidecar, or connects to the one that the settings name; returns at once.
func start() -> void:
	if _link != null:
		return
	var endpoint: String = Settings.value_of(Settings.ENDPOINT)
	var process: SidecarProcess = null
	var token := OS.get_environment(SidecarProcess.TOKEN_VARIABLE)
	if endpoint.ends_with(".json"):
		var file := _read_connection_file(endpoint)
		endpoint = file.get("endpoint", "")
		token = file.get("token", "")
		if endpoint.is_empty():
			_set_status(OFFLINE, "There is no sidecar: its connection file cannot be read.", 0.0)
			return
	elif endpoint.is_empty():
		var problem := PackedStringArray()
		var program := Finder.find(problem)
		if program.is_empty():
			_set_status(OFFLINE, problem[0], 0.0)
			return
		process = SidecarProcess.new(program, Finder.arguments(program))
		token = process.token
	_set_status(&"starting", "", 0.0)
	_link = Link.new()
	_link.start(process, endpoint, token, _client_info())


## Says goodbye and ends the sidecar; returns at once.
func stop() -> void:
	if _link == null:
		return
	_link.request_stop()
	_ending.append(_link)
	_link = null
	_waiting.clear()
	_next = 0
	_lose("stopped")
	_set_status(OFFLINE, "stopped", 0.0)


## Sends a message; gives its id, or 0 where there is no link or too much waits to be sent.
## [param on_answer] gets the one answer, and nobody else does: a message of the type that the
## protocol names, or [code]error[/code].
func send(type: String, body: Dictionary, npc_id := "", on_answer := Callable()) -> int:
	if not is_connected_to_sidecar:
		if on_answer.is_valid():
			on_answer.call(_connection_lost(0, "%s was not sent: there is no sidecar" % type))
		return 0
	var sent := body.duplicate(true)
	var id := _link.post(type, sent, npc_id, _epoch)
	if id == 0:
		var refusal := _too_many_queued(type)
		if on_answer.is_valid():
			on_answer.call(refusal)
		else:
			var why: Dictionary = refusal["body"]
			_tell_error(why)
		return 0
	if on_answer.is_valid():
		_answers[id] = on_answer
	message_sent.emit({"type": type, "id": id, "npc_id": npc_id, "body": sent})
	return id


## From now on messages about the NPC that answer nothing go to [param handler].
func register_character(npc_id: String, handler: Callable) -> void:
	_characters[npc_id] = handler


## Undoes [method register_character].
func unregister_character(npc_id: String) -> void:
	_characters.erase(npc_id)


## Measures a round trip: [param on_answer] gets [code]pong[/code].
func ping(on_answer: Callable) -> int:
	return send("ping", {}, "", on_answer)


## Asks for the sidecar's counters: [param on_answer] gets [code]stats[/code].
func request_stats(on_answer: Callable) -> int:
	return send("stats", {}, "", on_answer)


func _handle(event: Dictionary) -> void:
	match event["kind"]:
		Link.MESSAGE:
			var message: Dictionary = event["message"]
			_take_message(message)
		Link.CONNECTED:
			var answer: Dictionary = event["message"]
			var epoch: int = event["epoch"]
			_take_welcome(answer, epoch)
		Link.LOST:
			var reason: String = event["reason"]
			_lose(reason)
			if phase != OFFLINE:
				_set_status(OFFLINE, reason, 0.0)
		Link.REFUSED:
			var body: Dictionary = event["body"]
			_tell_error(body)
		Link.OFFLINE:
			var why: String = event["reason"]
			_set_status(OFFLINE, why, 0.0)
		Link.LOG:
			var line: String = event["line"]
			log_lines.append(line)
			if log_lines.size() > NUM_LOG_LINES:
				log_lines.remove_at(0)
			log_received.emit(line)


func _take_welcome(message: Dictionary, epoch: int) -> void:
	_epoch = epoch
	welcome = message["body"]
	is_connected_to_sidecar = true
	var model: Dictionary = welcome.get("model", {})
	_set_status(StringName(str(model.get("phase", "starting"))), "", 0.0)
	message_received.emit(message)
	connected.emit(welcome.get("resumed", false) == true)


func _take_message(message: Dictionary) -> void:
	message_received.emit(message)
	var body: Dictionary = message["body"]
	var type: String = message["type"]
	var reply_to: int = message.get("reply_to", 0)
	var npc_id: String = message.get("npc_id", "")
	if type == "status":
		var progress: float = body.get("progress", 0.0)
		_set_status(StringName(str(body.get("phase", ""))), str(body.get("detail", "")), progress)
	elif _answers.has(reply_to):
		var on_answer := _answers[reply_to]
		_answers.erase(reply_to)
		if on_answer.is_valid():
			on_answer.call(message)
	elif type == "error":
		_tell_error(body)
	else:
		var handler: Callable = _characters.get(npc_id, Callable())
		if handler.is_valid():
			handler.call(message)


func _lose(reason: String) -> void:
	var was_connected := is_connected_to_sidecar
	is_connected_to_sidecar = false
	var answers := _answers
	_answers = {}
	for id in answers:
		if answers[id].is_valid():
			answers[id].call(_connection_lost(id, "the link was lost before the answer"))
	if was_connected:
		disconnected.emit(reason)


func _tell_error(body: Dictionary) -> void:
	error_received.emit(
		str(body.get("code", "")), str(body.get("message", "")), str(body.get("hint", ""))
	)


func _set_status(next: StringName, detail: String, progress: float) -> void:
	phase = next
	status_changed.emit(next, detail, progress)


static func _connection_lost(reply_to: int, text: String) -> Dictionary:
	return _retryable(reply_to, "connection_lost", text, "Its log tells why.")


static func _too_many_queued(type: String) -> Dictionary:
	var text := "%s was not sent: %d messages wait" % [type, Link.MAX_UNSENT]
	return _retryable(0, "too_many_queued", text, "Send less, or what has changed only.")


static func _retryable(reply_to: int, code: String, text: String, hint: String) -> Dictionary:
	var body := {"code": code, "message": text, "hint": hint, "retryable": true}
	return {"type": "error", "id": 0, "reply_to": reply_to, "body": body}


static func _client_info() -> Dictionary:
	var engine := "Godot %s" % Engine.get_version_info()["string"]
	return {"name": "npc_brain for Godot", "version": VERSION, "engine": engine}


static func _read_connection_file(path: String) -> Dictionary:
	var parsed: Variant = JSON.parse_string(FileAccess.get_file_as_string(path))
	return parsed if parsed is Dictionary else {}
