extends "res://tests/nodes/npc_case.gd"
## NpcCharacter: turns, states, saves, pictures and sounds, and how it is set up.


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


func test_leaving_the_tree_despawns() -> void:
	var character := await add_spawned()
	var turn := character.hear("Hello?")
	character.get_parent().remove_child(character)
	check_equal(client.count("npc.despawn"), 1, "despawn")
	check_equal(turn.outcome, "cancelled", "its turn")
	character.free()


func test_a_new_session_gets_its_mind_back() -> void:
	var character := await add_spawned()
	await until(func() -> bool: return client.count("state.save") == 1, "its mind is asked for")
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
