extends "res://tests/nodes/npc_case.gd"
## NpcCharacter: turns, states and what it says without a sidecar.


func test_without_a_sidecar_it_greets_and_then_falls_back() -> void:
	var character := add_character()
	var first := await character.hear("Hello!").line()
	check_equal(first.text, "Welcome to the Blue Lantern. Come in before the fog does.", "greeting")
	check_equal(first.source, "fallback", "source")
	var second := await character.hear("Hello?").line()
	check_equal(second.text, "Hm, let me think about that one.", "fallback")
	check(first.turn_id < 0 and first.turn_id != second.turn_id, "local ids are below zero")


func test_without_the_plugin_it_speaks_too() -> void:
	var character := NpcCharacter.new()
	character.definition_file = "res://no_such_file.yaml"
	var actor := Node.new()
	actor.add_child(character)
	add_child(actor)
	character.client = null
	var line := await character.hear("Hello!").line()
	check_equal(line.text, "…", "a missing file still answers")


func test_signals_of_a_local_turn_come_in_order() -> void:
	var character := add_character()
	var seen: Array[String] = []
	character.turn_started.connect(func(_id: int, cause: String) -> void: seen.append(cause))
	character.token_received.connect(func(_id: int, _text: String) -> void: seen.append("token"))
	character.line_said.connect(func(_line: NpcLine) -> void: seen.append("line"))
	character.turn_ended.connect(func(turn: NpcTurn) -> void: seen.append(turn.outcome))
	await character.hear("Hello!").ended
	check_equal(seen, ["hear", "token", "line", "fallback"] as Array[String], "order")


func test_it_spawns_when_the_link_comes_up() -> void:
	var character := add_character()
	await frames(2)
	check_equal(client.sent.size(), 0, "nothing without a link")
	client.link()
	await frames(1)
	check_equal(client.last_body("npc.spawn"), {"definition": "innkeeper"}, "spawn")
	client.answer("npc.spawn", "npc.state", {"to": "tending_bar", "event": "spawn"})
	check_equal(character.state, "tending_bar", "state")
	client.lose()
	client.link(true)
	await frames(1)
	check_equal(client.count("npc.spawn"), 1, "a resumed session has it")
	client.lose()
	client.link(false)
	await frames(1)
	check_equal(client.count("npc.spawn"), 2, "a new session has not")


func test_a_turn_streams() -> void:
	var character := await add_spawned()
	var text: Array[String] = []
	character.token_received.connect(func(_id: int, piece: String) -> void: text.append(piece))
	var turn := character.hear("Any news?", "player")
	check_equal(
		client.last_body("npc.hear"),
		{"speaker_id": "player", "text": "Any news?", "priority": 0, "deadline_ms": 8000},
		"hear"
	)
	client.answer("npc.hear", "turn.started", {"turn_id": 7, "cause": "hear"})
	client.deliver("berta", "turn.token", {"turn_id": 7, "text": "None "})
	client.deliver("berta", "turn.token", {"turn_id": 7, "text": "at all."})
	client.deliver("berta", "turn.line", {"turn_id": 7, "text": "None at all.", "source": "model"})
	client.deliver("berta", "turn.ended", {"turn_id": 7, "outcome": "said", "tools": []})
	check_equal("".join(text), "None at all.", "tokens")
	check_equal(turn.lines[0].source, "model", "source")
	check_equal(turn.outcome, "said", "outcome")
	check(not character.is_speaking(), "it has finished")


func test_a_late_turn_ends_by_its_deadline() -> void:
	var character := await add_spawned()
	character.deadline_s = 0.05
	var turn := character.hear("Hello?")
	client.answer("npc.hear", "turn.started", {"turn_id": 3, "cause": "hear"})
	client.deliver("berta", "turn.token", {"turn_id": 3, "text": "I th"})
	var started_ms := Time.get_ticks_msec()
	await turn.ended
	check(Time.get_ticks_msec() - started_ms < 2000, "in time")
	check_equal(turn.outcome, "fallback", "outcome")
	check_equal(turn.lines[0].turn_id, 3, "the line belongs to the turn")
	check_equal(client.last_body("turn.cancel"), {"turn_id": 3}, "the sidecar is told")
	client.deliver("berta", "turn.line", {"turn_id": 3, "text": "too late", "source": "model"})
	check_equal(turn.lines.size(), 1, "what comes late is dropped")


func test_an_answer_after_the_deadline_is_cancelled() -> void:
	var character := await add_spawned()
	character.deadline_s = 0.05
	var turn := character.hear("Hello?")
	await turn.ended
	check_equal(client.count("turn.cancel"), 0, "there is no id to cancel yet")
	client.answer("npc.hear", "turn.started", {"turn_id": 9, "cause": "hear"})
	check_equal(client.last_body("turn.cancel"), {"turn_id": 9}, "then there is")


func test_a_lost_link_ends_turns_with_something_said() -> void:
	var character := await add_spawned()
	var turn := character.hear("Hello?")
	client.answer("npc.hear", "turn.started", {"turn_id": 4, "cause": "hear"})
	var unstarted := character.hear("Hello??")
	client.lose()
	for lost: NpcTurn in [turn, unstarted]:
		check_equal(lost.outcome, "fallback", "outcome")
		check_equal(lost.lines.size(), 1, "a line was said")


func test_a_refused_turn_has_something_said() -> void:
	var character := await add_spawned()
	var turn := character.hear("Hello?")
	client.answer("npc.hear", "error", {"code": "too_many_queued", "message": "busy"})
	check_equal(turn.outcome, "fallback", "outcome")


func test_cancel_is_silent_at_once() -> void:
	var character := await add_spawned()
	var turn := character.hear("Hello?")
	client.answer("npc.hear", "turn.started", {"turn_id": 5, "cause": "hear"})
	character.cancel_turn()
	check_equal(turn.outcome, "cancelled", "outcome")
	check(turn.has_ended and turn.lines.is_empty(), "nothing is said")
	check_equal(client.last_body("turn.cancel"), {"turn_id": 5}, "the sidecar is told")
	client.deliver("berta", "turn.ended", {"turn_id": 5, "outcome": "cancelled"})
	check_equal(await turn.line(), null, "line() gives null")


func test_it_speaks_of_its_own_accord() -> void:
	var character := await add_spawned()
	var causes: Array[String] = []
	character.turn_started.connect(func(_id: int, cause: String) -> void: causes.append(cause))
	client.deliver("berta", "turn.started", {"turn_id": 6, "cause": "state"})
	client.deliver("berta", "turn.line", {"turn_id": 6, "text": "Hm!", "source": "scripted"})
	client.deliver("berta", "turn.ended", {"turn_id": 6, "outcome": "said"})
	check_equal(causes, ["state"] as Array[String], "cause")


func test_states_and_blackboard_are_followed() -> void:
	var character := await add_spawned()
	var receiver := BlackboardReceiver.new()
	var follower := NpcStateFollower.new()
	character.add_child(follower)
	follower.follow_with(receiver)
	client.deliver(
		"berta",
		"npc.state",
		{"from": "tending_bar", "to": "angry", "event": "attacked", "blackboard": {"trust": -1}}
	)
	check_equal(character.state, "angry", "state")
	check_equal(receiver.values, {"npc_state": "angry", "npc_trust": -1}, "blackboard")
	check_equal(receiver.events, [&"angry"] as Array[StringName], "events")


func test_fallback_lines_follow_the_state() -> void:
	var character := await add_spawned()
	client.deliver("berta", "npc.state", {"from": "a", "to": "angry", "event": "attacked"})
	client.lose()
	await character.hear("Hello!").line()
	var line := await character.hear("Hello?").line()
	check_equal(line.text, "I'm not talking to you.", "line")


func test_leaving_the_tree_despawns() -> void:
	var character := await add_spawned()
	var turn := character.hear("Hello?")
	character.get_parent().remove_child(character)
	check_equal(client.count("npc.despawn"), 1, "despawn")
	check_equal(turn.outcome, "cancelled", "its turn")
	character.free()


func test_a_new_session_gets_its_mind_back() -> void:
	var character := await add_spawned()
	await get_tree().create_timer(NpcCharacter.KEEP_DELAY_S + 0.1).timeout
	client.answer("state.save", "state.saved", {"blob": PackedByteArray([1, 2])})
	client.lose()
	client.link()
	await frames(1)
	check_equal(client.last_body("state.load"), {"blob": PackedByteArray([1, 2])}, "load")
	check_equal(client.sent[-1]["type"], "state.load", "after the spawn")
	client.answer("npc.spawn", "npc.state", {"to": "tending_bar", "event": "spawn"})
	check(character.is_spawned, "spawned")


func test_save_and_load_are_awaited() -> void:
	var character := await add_spawned()
	client.answer.call_deferred("state.save", "state.saved", {"blob": PackedByteArray([7])})
	check_equal(await character.save_state(), PackedByteArray([7]), "save")
	client.answer.call_deferred("state.load", "ok")
	check_equal(await character.load_state(PackedByteArray([7])), true, "load")
	client.lose()
	check_equal(await character.save_state(), PackedByteArray(), "save without a link")


func test_pictures_and_sounds_travel() -> void:
	var character := await add_spawned()
	var image := Image.create(1280, 720, false, Image.FORMAT_RGB8)
	character.see(image, "a wall", "wall")
	var body := client.last_body("npc.see")
	check_equal(body.keys(), ["speaker_id", "image", "caption", "entity_id"], "see")
	var shown := Image.new()
	var bytes: PackedByteArray = body["image"]
	check_equal(shown.load_jpg_from_buffer(bytes), OK, "a JPEG")
	check_equal(shown.get_size(), Vector2i(512, 288), "scaled down")
	character.hear_audio(PackedByteArray([0, 0]), "", "player", "pcm_s16", 16000)
	var heard := client.last_body("npc.hear")
	check_equal(
		heard.keys(),
		["speaker_id", "priority", "deadline_ms", "audio", "audio_format", "sample_rate_hz"],
		"hear"
	)


func test_events_are_told() -> void:
	var character := await add_spawned()
	character.send_event("attacked", {"by": "player"})
	check_equal(
		client.last_body("npc.event"), {"event": "attacked", "data": {"by": "player"}}, "event"
	)


func test_mistakes_of_set_up_are_warned_of() -> void:
	var character := NpcCharacter.new()
	add_child(character)
	check(_warns(character, "Choose an NPC file"), "no file")
	character.definition_file = "res://no_such_file.yaml"
	check(_warns(character, "cannot be read"), "no such file")
	check(_warns(character, "where the sidecar looks"), "not in the folder of NPC files")
	var action := NpcAction.new()
	action.name = "Open Gate"
	character.actions = [action]
	check(_warns(character, "small letters"), "a bad name")
	var marker := NpcMarker.new()
	add_child(marker)
	check_equal(marker._get_configuration_warnings().size(), 2, "a marker without id and place")


func test_a_tool_may_come_later() -> void:
	var character := await add_spawned()
	var action := NpcAction.new()
	action.name = "whistle"
	character.register_tool(action)
	check_equal(client.last_body("tool.register")["name"], "whistle", "told at once")


func _warns(character: NpcCharacter, text: String) -> bool:
	return text in "".join(character._get_configuration_warnings())


## Stands for LimboAI's HSM and a Beehave blackboard.
class BlackboardReceiver:
	extends RefCounted
	var values: Dictionary = {}
	var events: Array[StringName] = []

	func set_value(key: String, value: Variant) -> void:
		values[key] = value

	func dispatch(event: StringName) -> void:
		events.append(event)
