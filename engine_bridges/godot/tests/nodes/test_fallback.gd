extends "res://tests/nodes/npc_case.gd"
## NpcCharacter says something when the sidecar is absent, late, gone, or refuses.


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


func test_a_late_turn_ends_by_its_deadline() -> void:
	var character := await add_spawned()
	var usual_s := character.deadline_s
	character.deadline_s = 0.05
	var turn := character.hear("Hello?")
	client.answer("npc.hear", "turn.started", {"turn_id": 3, "cause": "hear"})
	client.deliver("berta", "turn.token", {"turn_id": 3, "text": "I th"})
	var started_ms := Time.get_ticks_msec()
	await turn.ended
	var took_s := (Time.get_ticks_msec() - started_ms) / 1000.0
	check(took_s < usual_s, "by its own deadline, not the usual one")
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


func test_a_refused_spawn_leaves_the_fallback_lines() -> void:
	client.link()
	var character := add_character()
	var codes: Array[String] = []
	character.error_received.connect(
		func(code: String, _text: String, _hint: String) -> void: codes.append(code)
	)
	await frames(1)
	client.answer("npc.spawn", "error", {"code": "bad_definition", "message": "no such file"})
	var turn := character.hear("Hello!")
	client.answer("npc.hear", "error", {"code": "unknown_npc", "message": "none"})
	check_equal(turn.outcome, "fallback", "outcome")
	check_equal(codes, ["bad_definition", "unknown_npc"] as Array[String], "codes")
	check_equal(client.count("npc.spawn"), 1, "it is not asked again and again")


func test_fallback_lines_follow_the_state() -> void:
	var character := await add_spawned()
	client.deliver("berta", "npc.state", {"from": "a", "to": "angry", "event": "attacked"})
	client.lose()
	await character.hear("Hello!").line()
	var line := await character.hear("Hello?").line()
	check_equal(line.text, "I'm not talking to you.", "line")
