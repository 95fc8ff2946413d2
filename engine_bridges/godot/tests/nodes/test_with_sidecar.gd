extends "res://tests/test_case.gd"
## The nodes with a real sidecar: an action's whole life, minds saved and loaded, and a killed
## sidecar after which everybody is as before. Needs no model.

var _nodes: Array[Node] = []


func clean_up() -> void:
	for node in _nodes:
		node.free()
	await super()


func test_an_attacked_innkeeper_flees_and_hides() -> void:
	var innkeeper := await _add_innkeeper()
	var lines: Array[NpcLine] = []
	innkeeper.line_said.connect(func(line: NpcLine) -> void: lines.append(line))
	var states: Array[String] = []
	innkeeper.state_changed.connect(
		func(_from: String, to: String, _event: String) -> void: states.append(to)
	)
	innkeeper.send_event("attacked", {"by": "player"})
	await until(func() -> bool: return innkeeper.state == "hiding", "the hiding place")
	check_equal(states, ["fleeing", "hiding"] as Array[String], "states")
	var actor: Innkeeper = innkeeper.actor
	check_equal(actor.goals, ["guest_room"] as Array[String], "the method walked")
	check_equal(innkeeper.blackboard.get("trust"), -3, "blackboard")
	await until(func() -> bool: return lines.size() >= 2, "what she shouts")
	check_equal(lines[0].source, "scripted", "source")


func test_words_get_an_answer() -> void:
	var innkeeper := await _add_innkeeper()
	var turn := innkeeper.hear("Good evening!")
	var line := await turn.line()
	check(line != null and line.source in ["scripted", "model"], "from the sidecar")
	await until(func() -> bool: return turn.has_ended, "the end")
	check(turn.turn_id > 0, "the sidecar's id")
	check_equal(turn.timings.keys().has("total_ms"), true, "timings")


func test_what_the_sidecar_refuses_is_told_and_answered() -> void:
	var innkeeper := await _add_innkeeper()
	var codes: Array[String] = []
	innkeeper.error_received.connect(
		func(code: String, _text: String, _hint: String) -> void: codes.append(code)
	)
	var turn := innkeeper.hear("x".repeat(5000))
	check_equal((await turn.line()).source, "fallback", "too long a text")
	check_equal(codes, ["bad_body"] as Array[String], "told to the game")
	codes.clear()
	innkeeper.send_event("Not An Event")
	await until(func() -> bool: return "bad_body" in codes, "the refusal")


func test_minds_are_saved_and_loaded() -> void:
	var innkeeper := await _add_innkeeper()
	innkeeper.send_event("attacked")
	await until(func() -> bool: return innkeeper.state == "hiding", "the hiding place")
	await until(func() -> bool: return not innkeeper._is_keep_due, "a copy of her mind")
	var blob := await innkeeper.save_state()
	check(blob.size() > 10, "a blob")
	var actor := innkeeper.actor
	actor.remove_child(innkeeper)
	innkeeper.survives_restarts = false
	innkeeper._kept_state = PackedByteArray()
	actor.add_child(innkeeper)
	await until(func() -> bool: return innkeeper.is_spawned, "a new innkeeper")
	check_equal(innkeeper.state, "tending_bar", "who knows nothing")
	check(await innkeeper.load_state(blob), "loaded")
	await until(func() -> bool: return innkeeper.state == "hiding", "the state that was saved")
	check(not await innkeeper.load_state(PackedByteArray([1, 2])), "a damaged blob")
	check_equal(innkeeper.state, "hiding", "which changes nothing")


func test_after_a_killed_sidecar_everybody_is_as_before() -> void:
	var innkeeper := await _add_innkeeper()
	innkeeper.send_event("attacked")
	await until(func() -> bool: return innkeeper.state == "hiding", "the hiding place")
	await until(func() -> bool: return not innkeeper._is_keep_due, "a copy of her mind")
	# Answers come in order: the copy is here before this one.
	await innkeeper.save_state()
	var events: Array[String] = []
	innkeeper.state_changed.connect(
		func(_from: String, to: String, event: String) -> void: events.append(event + " " + to)
	)
	var turn := innkeeper.hear("Are you there?")
	var killed_ms := Time.get_ticks_msec()
	OS.execute("kill", ["-9", str(innkeeper.client._link._process._pid)])
	await until(func() -> bool: return "load hiding" in events, "the mind is back")
	var took_ms := Time.get_ticks_msec() - killed_ms
	check(took_ms < stretched(2.0) * 1000, "within 2 s, took %d ms" % took_ms)
	check(turn.has_ended and not turn.lines.is_empty(), "the turn under way had its line")
	check_equal(innkeeper.state, "hiding", "state")
	check_equal((await innkeeper.hear("Hello?").line()).turn_id > 0, true, "and she answers")


func test_a_tool_of_the_game_is_registered_and_asked() -> void:
	var client := start_client()
	var actor := Weatherman.new()
	var character := NpcCharacter.new()
	character.client = client
	character.deadline_s = WAIT_S
	character.definition = Weatherman.DEFINITION
	_add(actor, character)
	await until(func() -> bool: return character.is_spawned, "the link")
	var turn := character.hear("How is the weather?")
	check_equal((await turn.line()).text, "Fog at dawn.", "what the game answered")
	check_equal(actor.asked_for, 7, "it was asked")
	character.send_event("storm")
	await until(func() -> bool: return actor.num_rung == 3, "the action")


func _add_innkeeper() -> NpcCharacter:
	var client := start_client()
	var world := NpcWorld.new()
	world.client = client
	world.set_nav_grid(8, 1, PackedByteArray([1, 1, 1, 1, 1, 1, 1, 1]))
	world.set_place("guest_room", "the guest room", Vector2i(6, 0))
	world.set_place("bar", "the bar", Vector2i(0, 0))
	world.set_entity("mira", "Mira", "npc", Vector2i(0, 0))
	world.set_entity("player", "the traveller", "player", Vector2i(1, 0))
	_nodes.append(world)
	add_child(world)
	var character := NpcCharacter.new()
	character.client = client
	character.deadline_s = WAIT_S
	character.definition_file = OS.get_environment("NPC_BRAIN_NPCS").path_join("mira.yaml")
	_add(Innkeeper.new(), character)
	await until(func() -> bool: return character.is_spawned, "the link")
	return character


func _add(actor: Node, character: NpcCharacter) -> void:
	actor.add_child(character)
	_nodes.append(actor)
	add_child(actor)


## Walks in two frames.
class Innkeeper:
	extends Node
	var goals: Array[String] = []

	func npc_go_to(target: String) -> bool:
		goals.append(target)
		await get_tree().process_frame
		await get_tree().process_frame
		return true


## Knows the weather and has a bell.
class Weatherman:
	extends Node
	const DEFINITION := {
		"id": "ida",
		"persona": {"name": "Ida", "role": "weather watcher"},
		"lines": {"fallback": {"default": "Hm."}},
		"initial": "watching",
		"states":
		{
			"watching":
			{
				"mind": "scripted",
				"on": {"storm": "warning"},
				"heard": [{"keywords": ["weather"], "do": [{"weather_at": {"hour": 7}}]}]
			},
			"warning": {"mind": "scripted", "enter": [{"ring_bell": {"times": 3}}]}
		}
	}

	var asked_for := 0
	var num_rung := 0

	func npc_weather_at(hour: int) -> String:
		asked_for = hour
		return "Fog at dawn."

	func npc_ring_bell(times := 1) -> void:
		num_rung = times
