@tool
@icon("../icons/npc_character.svg")
class_name NpcCharacter
extends Node
## A character that talks and acts, below a 2D, 3D or plain node (its [member actor]).
##
## Give it an NPC file and call [method hear]; the answer comes as [signal token_received] and
## [signal line_said]. What it wants to do comes as [signal action_requested], or to a method of
## the actor named [code]npc_TOOL[/code], as [code]func npc_go_to(target: String) -> bool[/code].
## With no sidecar it says the fallback lines of its file.

## The sidecar has the character.
signal spawned
## It begins to speak. [param cause] is "hear", "action" (after an action's end) or "state".
signal turn_started(turn_id: int, cause: String)
## The next piece of the line being said.
signal token_received(turn_id: int, text: String)
## A whole line.
signal line_said(line: NpcLine)
## It has finished speaking; exactly once a turn.
signal turn_ended(turn: NpcTurn)
## A transition of its state machine; [param from] is empty on spawn.
signal state_changed(from: String, to: String, event: String)
## What its machine knows of the game and of itself; comes with each transition.
signal blackboard_changed(blackboard: Dictionary)
## It wants to do something: do it and tell how it goes.
signal action_requested(action: NpcActionRequest)
## It no longer wants an action; the request itself tells it too.
signal action_cancelled(action_id: int)
## It asks what only the game can answer.
signal tool_called(call: NpcToolCall)
## How far the sidecar is: "starting", "loading", "warming", "ready" or "degraded".
signal status_changed(phase: StringName, detail: String, progress: float)
## The sidecar refused something that concerns this character.
signal error_received(code: String, text: String, hint: String)

const Client := preload("res://addons/npc_brain/npc_brain_client.gd")
const FallbackVoice := preload("res://addons/npc_brain/definition/fallback_voice.gd")
const NpcFile := preload("res://addons/npc_brain/definition/npc_file.gd")
const NpcHands := preload("res://addons/npc_brain/nodes/npc_hands.gd")
const NpcLink := preload("res://addons/npc_brain/nodes/npc_link.gd")
const NpcPicture := preload("res://addons/npc_brain/nodes/npc_picture.gd")
const TurnBook := preload("res://addons/npc_brain/nodes/turn_book.gd")
## The group that every character is in.
const GROUP := &"npc_characters"
## How long after a change its state is fetched, to survive a restart of the sidecar.
const KEEP_DELAY_S := 0.25

## The NPC file: who it is, what it says, how its states go.
@export_file("*.yaml", "*.yml") var definition_file := "":
	set(value):
		definition_file = value
		update_configuration_warnings()
## Its id in the game's world; empty takes the one of the NPC file. Unique in the game.
@export var npc_id := "":
	set(value):
		npc_id = value
		update_configuration_warnings()
## Who moves and acts; empty takes the parent. Its methods [code]npc_TOOL[/code] are called.
@export var actor: Node
## What it can do and ask beyond the built-in tools.
@export var actions: Array[NpcAction] = []:
	set(value):
		actions = value
		update_configuration_warnings()

@export_group("Speech")
## Who is answered first when several speak: higher goes first.
@export_range(-100, 100) var priority := 0
## By when a line must have been said; then a fallback line is.
@export_range(0.05, 600.0, 0.05, "suffix:s") var deadline_s := 8.0
## A voice of the system's text-to-speech that reads lines aloud, as
## [method DisplayServer.tts_get_voices] names it; empty for none.
@export var voice := ""

@export_group("Memory")
## First values for the blackboard, over those of the NPC file.
@export var starting_blackboard: Dictionary = {}
## Whether it is put back as it was when the sidecar has to be restarted.
@export var survives_restarts := true

## A whole definition instead of a file; takes effect when the character enters the tree.
var definition: Dictionary = {}
## The innermost state of its machine.
var state := ""
## The last known values of its blackboard.
var blackboard: Dictionary = {}
## Whether the sidecar has the character.
var is_spawned := false
## The link to the sidecar; taken from the autoload when the character enters the tree.
var client: Client

## Its name, as players see it.
var display_name: String:
	get:
		return _file.name if _file != null else str(name)

var _file: NpcFile
var _voice: FallbackVoice
var _hands: NpcHands
var _has_sent_spawn := false
var _book := TurnBook.new()
var _kept_state := PackedByteArray()
var _is_keep_due := false


func _init() -> void:
	_book.fallback = _fallback_line
	_book.started.connect(_on_turn_started)
	_book.token_added.connect(_on_token_added)
	_book.line_added.connect(_on_line_added)
	_book.ended.connect(_on_turn_ended)
	_book.refused.connect(report)


func _enter_tree() -> void:
	if Engine.is_editor_hint():
		return
	add_to_group(GROUP)
	_read_definition()
	if actor == null:
		actor = get_parent()
	if client == null:
		client = NpcLink.client_of(self)
	_book.client = client
	_book.npc_id = npc_id
	if client == null:
		return
	_hands = NpcHands.new(self)
	client.register_character(npc_id, _take)
	client.connected.connect(_on_connected)
	client.disconnected.connect(_on_disconnected)
	client.status_changed.connect(_on_status_changed)
	_spawn_if_linked.call_deferred()


func _exit_tree() -> void:
	if Engine.is_editor_hint():
		return
	cancel_turn()
	if client == null:
		return
	if _has_sent_spawn and _is_linked():
		client.send("npc.despawn", {}, npc_id)
	client.unregister_character(npc_id)
	client.connected.disconnect(_on_connected)
	client.disconnected.disconnect(_on_disconnected)
	client.status_changed.disconnect(_on_status_changed)
	is_spawned = false
	_has_sent_spawn = false


func _get_configuration_warnings() -> PackedStringArray:
	var warnings := PackedStringArray()
	if definition_file.is_empty():
		warnings.append("Choose an NPC file as the definition file.")
	else:
		var problem := NpcFile.at(definition_file).problem
		if not problem.is_empty():
			warnings.append(problem)
		var folder: String = ProjectSettings.get_setting("npc_brain/sidecar/npcs", "res://npcs")
		if _place(definition_file.get_base_dir()) != _place(folder):
			warnings.append("The NPC file is not in %s, where the sidecar looks for it." % folder)
	if not ProjectSettings.has_setting("autoload/NpcBrain"):
		warnings.append("Enable the plugin NPC Brain in the project settings.")
	for action in actions:
		if action != null and not action.problem().is_empty():
			warnings.append(action.problem())
	return warnings


## Adds something that the character can do, while the game runs. NPC files that name it must be
## spawned after it.
func register_tool(action: NpcAction) -> void:
	actions.append(action)
	if _hands != null and _is_linked():
		_hands.register_tools()


## Someone speaks to the character. Returns at once; the turn always ends, and always with
## something said unless it is cancelled.
func hear(text: String, speaker_id := "player") -> NpcTurn:
	return _hear({"text": text}, speaker_id)


## Someone speaks to the character aloud: [param audio] is a WAV file, or bare samples of
## [param format] "pcm_s16" or "pcm_f32" at [param sample_rate_hz]. Without [param text] it needs
## a model that hears.
func hear_audio(
	audio: PackedByteArray,
	text := "",
	speaker_id := "player",
	format := "wav",
	sample_rate_hz := 0,
) -> NpcTurn:
	var body: Dictionary = {}
	if not text.is_empty():
		body["text"] = text
	body["audio"] = audio
	body["audio_format"] = format
	if sample_rate_hz > 0:
		body["sample_rate_hz"] = sample_rate_hz
	return _hear(body, speaker_id)


## Someone shows the character a picture, a [Texture2D] or an [Image], to speak of afterwards.
## [param entity_id] is the entity that it shows.
func see(picture: Resource, caption := "", entity_id := "", speaker_id := "player") -> void:
	var body: Dictionary = {"speaker_id": speaker_id, "image": NpcPicture.bytes_of(picture)}
	if not caption.is_empty():
		body["caption"] = caption
	if not entity_id.is_empty():
		body["entity_id"] = entity_id
	_tell("npc.see", body)


## Something happens to the character, as "attacked": a stimulus for its state machine.
func send_event(event: String, data: Dictionary = {}) -> void:
	_tell("npc.event", {"event": event, "data": data})


## Ends a turn at once, or all turns of the character: no more is said.
func cancel_turn(turn: NpcTurn = null) -> void:
	for open in _book.open_turns():
		if turn == null or turn == open:
			_book.cancel(open)


## Whether it is speaking, or about to.
func is_speaking() -> bool:
	return not _book.open_turns().is_empty()


## The character's mind, for the game's own save; empty if that failed. To be awaited.
func save_state() -> PackedByteArray:
	var answer := await NpcLink.ask(client, "state.save", {"npc_ids": [npc_id]})
	var body := NpcLink.body_of(answer)
	if answer["type"] == "error":
		report(answer)
		return PackedByteArray()
	return body.get("blob", PackedByteArray())


## Puts the character back as it was saved. To be awaited: whether it was.
func load_state(blob: PackedByteArray) -> bool:
	var answer := await NpcLink.ask(client, "state.load", {"blob": blob})
	report(answer)
	return answer["type"] == "ok"


## Takes an answer, and tells the game of it when it is an error; for the addon's own parts.
func report(message: Dictionary) -> void:
	var body := NpcLink.body_of(message)
	if message["type"] != "error" or body.get("code") == "connection_lost":
		return
	var code: String = body.get("code", "")
	var text: String = body.get("message", "")
	push_warning("NPC %s: %s: %s" % [npc_id, code, text])
	error_received.emit(code, text, str(body.get("hint", "")))


# --- the sidecar -----------------------------------------------------------------------------


func _read_definition() -> void:
	if definition.is_empty():
		_file = NpcFile.at(definition_file)
		if not _file.problem.is_empty():
			push_warning("NPC %s: %s" % [name, _file.problem])
	else:
		_file = NpcFile.from_definition(definition)
	if npc_id.is_empty():
		npc_id = _file.id if not _file.id.is_empty() else str(name).to_snake_case()
	_voice = FallbackVoice.new(_file)
	if state.is_empty():
		state = _file.initial
		blackboard = _file.blackboard.merged(starting_blackboard, true)


func _is_linked() -> bool:
	return client != null and client.is_connected_to_sidecar


func _spawn_if_linked() -> void:
	if _has_sent_spawn or not _is_linked() or not is_inside_tree():
		return
	_has_sent_spawn = true
	_hands.register_tools()
	var body: Dictionary = {"definition": definition_file.get_file().get_basename()}
	if not definition.is_empty():
		body["definition"] = definition
	var world := NpcWorld.of(self)
	if world != null and not world.position_of_node(actor).is_empty():
		body["position"] = world.position_of_node(actor)
	elif actor is Node3D:
		body["position"] = NpcWorld.wire_position((actor as Node3D).global_position)
	if not starting_blackboard.is_empty():
		body["blackboard"] = starting_blackboard
	client.send("npc.spawn", body, npc_id, _on_spawn_answered)
	if not _kept_state.is_empty():
		client.send("state.load", {"blob": _kept_state}, "", report)


func _on_spawn_answered(message: Dictionary) -> void:
	var body := NpcLink.body_of(message)
	if message["type"] != "npc.state" and body.get("code") != "duplicate_npc":
		report(message)
		return
	is_spawned = true
	if message["type"] == "npc.state":
		_take_state(body)
	spawned.emit()


func _on_connected(resumed: bool) -> void:
	if resumed and is_spawned:
		_hands.tell_untold()
		return
	is_spawned = false
	_has_sent_spawn = false
	if _kept_state.is_empty():
		_hands.forget()
	# Deferred, so that the world is told first.
	_spawn_if_linked.call_deferred()


func _on_disconnected(reason: String) -> void:
	_book.lose_all(reason)


func _on_status_changed(phase: StringName, detail: String, progress: float) -> void:
	status_changed.emit(phase, detail, progress)


func _take(message: Dictionary) -> void:
	if message.has("reply_to"):
		return
	var type: String = message["type"]
	var body := NpcLink.body_of(message)
	match type:
		"turn.started", "turn.token", "turn.line", "turn.ended":
			_book.take(type, body)
		"npc.state":
			_take_state(body)
		"action.request":
			_hands.take_action(body)
		"action.cancel":
			_hands.take_cancel(body)
		"tool.call":
			_hands.take_call(body)
		"error":
			report(message)


func _take_state(body: Dictionary) -> void:
	state = body.get("to", "")
	blackboard = body.get("blackboard", {})
	state_changed.emit(str(body.get("from", "")), state, str(body.get("event", "")))
	blackboard_changed.emit(blackboard)
	_keep_state_soon()


func _tell(type: String, body: Dictionary) -> void:
	if _is_linked():
		_spawn_if_linked()
		client.send(type, body, npc_id, report)


## Fetches the character's mind in a moment, so that a restarted sidecar can be given it again.
func _keep_state_soon() -> void:
	if _is_keep_due or not survives_restarts or not is_inside_tree():
		return
	_is_keep_due = true
	get_tree().create_timer(KEEP_DELAY_S, true, false, true).timeout.connect(_keep_state)


func _keep_state() -> void:
	_is_keep_due = false
	if is_spawned and _is_linked():
		client.send("state.save", {"npc_ids": [npc_id]}, "", _on_state_kept)


func _on_state_kept(message: Dictionary) -> void:
	if message["type"] == "state.saved":
		_kept_state = NpcLink.body_of(message).get("blob", PackedByteArray())


# --- turns -----------------------------------------------------------------------------------


func _hear(heard: Dictionary, speaker_id: String) -> NpcTurn:
	var turn := NpcTurn.new("hear", speaker_id)
	if not _is_linked() or not is_inside_tree():
		_book.hear_alone(turn, "there is no sidecar")
		return turn
	_spawn_if_linked()
	var body: Dictionary = {"speaker_id": speaker_id}
	if heard.has("text"):
		body["text"] = heard["text"]
	body["priority"] = priority
	body["deadline_ms"] = roundi(deadline_s * 1000)
	body.merge(heard)
	_book.hear(turn, body, get_tree(), roundi(deadline_s * 1000))
	return turn


func _fallback_line(turn: NpcTurn) -> String:
	if _voice == null:
		return FallbackVoice.WORDLESS
	var world := NpcWorld.of(self)
	var values := blackboard.duplicate()
	values["speaker"] = world.name_of(turn.speaker_id) if world != null else turn.speaker_id
	return _voice.next_line(state, turn.speaker_id, values)


func _on_turn_started(turn: NpcTurn) -> void:
	turn_started.emit(turn.turn_id, turn.cause)


func _on_token_added(turn: NpcTurn, text: String) -> void:
	token_received.emit(turn.turn_id, text)


func _on_line_added(turn: NpcTurn, line: NpcLine) -> void:
	if not voice.is_empty():
		DisplayServer.tts_speak(line.text, voice)
	if turn.cause == "hear" and _voice != null:
		_voice.note_met(turn.speaker_id)
	line_said.emit(line)


func _on_turn_ended(turn: NpcTurn) -> void:
	turn_ended.emit(turn)
	_keep_state_soon()


static func _place(folder: String) -> String:
	return ProjectSettings.globalize_path(folder).simplify_path().trim_suffix("/")
