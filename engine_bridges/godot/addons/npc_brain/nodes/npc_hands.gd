extends RefCounted
## What one character does and asks: its actions under way, its questions, and the tools of the game
## that it brings along.

const Client := preload("res://addons/npc_brain/npc_brain_client.gd")
const NpcLink := preload("res://addons/npc_brain/nodes/npc_link.gd")
const NpcMethods := preload("res://addons/npc_brain/nodes/npc_methods.gd")

## The character to speak for: its signals carry what no method does.
var _character: NpcCharacter
var _client: Client
var _methods: NpcMethods
var _open: Dictionary[int, NpcActionRequest] = {}
## Actions whose last update the sidecar has not heard.
var _untold: Array[NpcActionRequest] = []


func _init(character: NpcCharacter) -> void:
	_character = character
	_client = character.client
	_methods = NpcMethods.new(character.actor)


## Tells the sidecar of the tools that methods and resources declare.
func register_tools() -> void:
	var declared: Dictionary[String, NpcAction] = {}
	for action in _character.actions:
		if action != null:
			declared[action.name] = action
	for tool in _methods.tools():
		if not tool in NpcMethods.BUILT_INS and not declared.has(tool):
			var action := NpcAction.new()
			action.name = tool
			declared[tool] = action
	for tool in declared:
		var action := declared[tool]
		var schema := action.schema()
		var problem := action.problem()
		var is_query := action.kind == NpcAction.Kind.QUERY
		if _methods.has(tool):
			schema = _methods.schema(tool)
			problem += _methods.problem(tool)
			is_query = is_query or _methods.is_query(tool)
		if problem.is_empty():
			_client.send("tool.register", action.to_body(schema, is_query), "", _character.report)
		else:
			push_error("NPC %s: %s" % [_character.npc_id, problem])


## Tells what a lost link has kept from the sidecar.
func tell_untold() -> void:
	for action in _untold:
		_tell_update(action)
	_untold.clear()


## Forgets the actions of a session that is over: their ids mean others now.
func forget() -> void:
	_open.clear()
	_untold.clear()


## Takes the body of [code]action.request[/code].
func take_action(body: Dictionary) -> void:
	var action := NpcActionRequest.from_body(_character.npc_id, body)
	_open[action.action_id] = action
	# Bound to its id: a request bound to its own signal would never be freed.
	action.updated.connect(_on_action_updated.bind(action.action_id))
	action.is_handled = _methods.has(action.tool)
	_character.action_requested.emit(action)
	if action.is_handled:
		@warning_ignore("missing_await")
		_carry_out(action, _methods)
	elif action.status == "requested" and _is_unheard(&"action_requested"):
		action.refuse("not_supported")


## Static, as the character may be gone before the method has finished.
static func _carry_out(action: NpcActionRequest, methods: NpcMethods) -> void:
	if methods.takes_handle(action.tool):
		await methods.call_with(action.tool, action.args, action)
		return
	action.start()
	var outcome: Variant = await methods.call_with(action.tool, action.args, action)
	if action.has_ended:
		return
	if outcome is bool and not outcome:
		action.fail("cancelled" if action.is_cancel_requested else "failed")
	elif outcome is String and outcome != "":
		action.fail(str(outcome))
	else:
		var result: Dictionary = outcome if outcome is Dictionary else {}
		action.done(result)


func _on_action_updated(
	_status: String, _reason: String, _result: Dictionary, action_id: int
) -> void:
	var action: NpcActionRequest = _open.get(action_id)
	if action == null or not is_instance_valid(_character) or not _character.is_inside_tree():
		return
	if action.has_ended:
		_open.erase(action_id)
	if _client.is_connected_to_sidecar:
		_tell_update(action)
	elif not action in _untold:
		_untold.append(action)


func _tell_update(action: NpcActionRequest) -> void:
	var body: Dictionary = {
		"action_id": action.action_id,
		"status": action.status,
		"reason": action.reason,
		"result": action.result,
	}
	_client.send("action.update", body, _character.npc_id, _on_update_answered.bind(action))


func _on_update_answered(message: Dictionary, action: NpcActionRequest) -> void:
	var code: String = NpcLink.body_of(message).get("code", "")
	if code == "connection_lost" and not action in _untold:
		_untold.append(action)
	elif code != "action_ended":
		_character.report(message)


## Takes the body of [code]action.cancel[/code].
func take_cancel(body: Dictionary) -> void:
	var action_id: int = body.get("action_id", 0)
	var action: NpcActionRequest = _open.get(action_id)
	if action != null:
		action.request_cancel()
	_character.action_cancelled.emit(action_id)


## Takes the body of [code]tool.call[/code].
func take_call(body: Dictionary) -> void:
	var question := NpcToolCall.from_body(_character.npc_id, body)
	question.answered.connect(_on_call_answered.bind(question.call_id))
	_character.tool_called.emit(question)
	if question.is_answered:
		return
	if _methods.has(question.tool):
		@warning_ignore("missing_await")
		_answer_by_method(question, _methods)
		return
	var world := NpcWorld.of(_character)
	if world != null and world.answer(question, _character.actor):
		return
	if _is_unheard(&"tool_called"):
		question.refuse("unknown_tool")


static func _answer_by_method(question: NpcToolCall, methods: NpcMethods) -> void:
	if methods.takes_handle(question.tool):
		await methods.call_with(question.tool, question.args, question)
		return
	var answer: Variant = await methods.call_with(question.tool, question.args, question)
	if question.is_answered:
		return
	if answer is Dictionary:
		var result: Dictionary = answer
		question.answer(result)
	elif answer == null or str(answer).is_empty():
		question.refuse("no_answer")
	else:
		question.answer({"text": str(answer)})


func _on_call_answered(ok: bool, result: Dictionary, error: String, call_id: int) -> void:
	if is_instance_valid(_character) and _client.is_connected_to_sidecar:
		var body: Dictionary = {"call_id": call_id, "ok": ok, "result": result, "error": error}
		_client.send("tool.result", body, _character.npc_id, _character.report)


func _is_unheard(which: StringName) -> bool:
	return _character.get_signal_connection_list(which).is_empty()
