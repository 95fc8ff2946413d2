extends "res://tests/nodes/npc_case.gd"
## Actions and questions: methods, resources, signals, and the life of a request.


func test_type_hints_make_schemas() -> void:
	await add_spawned(Keeper.new())
	var by_name: Dictionary[String, Dictionary] = {}
	for message in client.sent:
		var body: Dictionary = message["body"]
		if message["type"] == "tool.register":
			by_name[str(body["name"])] = body
	check_equal(by_name.keys().size(), 4, "go_to is built in, the others are registered")
	var gate: Dictionary = by_name["open_gate"]
	check_equal(
		gate["parameters"],
		{
			"type": "object",
			"properties":
			{
				"gate": {"type": "string", "enum": ["north", "south"]},
				"times": {"type": "integer"},
				"wide": {"type": "boolean"},
			},
			"required": ["gate"],
		},
		"schema"
	)
	check_equal(gate["kind"], "action", "kind")
	check_equal(gate["description"], "Open Gate.", "description")
	check_equal(by_name["price_of"]["kind"], "query", "a method that returns a map is a question")
	check_equal(
		by_name["carry_all"]["parameters"]["properties"],
		{"items": {"type": "array", "items": {"type": "string"}}, "speed": {"type": "number"}},
		"arrays and floats"
	)


func test_a_method_carries_out_an_action() -> void:
	var keeper := Keeper.new()
	await add_spawned(keeper)
	_request("open_gate", {"gate": "south"})
	check_equal(keeper.opened, [Keeper.Gate.SOUTH, 1, false], "arguments and defaults")
	check_equal(_statuses(), ["started", "done"] as Array[String], "life")


func test_a_method_may_take_its_time_and_fail() -> void:
	await add_spawned(Keeper.new())
	_request("go_to", {"target": "nowhere"})
	check_equal(_statuses(), ["started"] as Array[String], "under way")
	await frames(3)
	check_equal(_statuses(), ["started", "done"] as Array[String], "over")
	_request("go_to", {"target": "moon"})
	await frames(3)
	check_equal(_statuses().back(), "failed", "false is failed")


func test_a_method_may_take_the_request() -> void:
	var keeper := Keeper.new()
	await add_spawned(keeper)
	_request("watch", {})
	check_equal(_statuses(), ["accepted", "started", "progress"] as Array[String], "so far")
	client.deliver("berta", "action.cancel", {"action_id": 1})
	check_equal(_statuses().back(), "cancelled", "it heard that it is not wanted")


func test_a_method_may_outlive_its_character() -> void:
	var keeper := Keeper.new()
	var character := await add_spawned(keeper)
	_request("go_to", {"target": "well"})
	character.free()
	await frames(3)
	check_equal(_statuses(), ["started"] as Array[String], "nobody is left to tell of")


func test_what_has_no_prefix_is_never_called() -> void:
	var keeper := Keeper.new()
	var character := await add_spawned(keeper)
	for tool: String in ["queue_free", "free", "secret", "_ready", "open_gate()"]:
		_request(tool, {})
		check_equal(_statuses().back(), "refused", tool)
	check(not keeper.is_queued_for_deletion() and not keeper.was_called, "nothing was called")
	check(is_instance_valid(character), "it is still there")


func test_odd_arguments_become_the_hinted_types() -> void:
	var keeper := Keeper.new()
	await add_spawned(keeper)
	_request("open_gate", {"gate": 17, "times": "3", "wide": 1, "more": {}})
	check_equal(keeper.opened, [Keeper.Gate.NORTH, 3, true], "converted")
	_request("carry_all", {"items": "none"})
	check_equal(keeper.carried, [] as Array[String], "no array, no items")


func test_the_signal_carries_an_action() -> void:
	var character := await add_spawned()
	var asked: Array[NpcActionRequest] = []
	character.action_requested.connect(func(action: NpcActionRequest) -> void: asked.append(action))
	_request("go_to", {"target": "well"})
	var action := asked[0]
	check_equal(action.args, {"target": "well"}, "args")
	action.accept()
	action.start()
	action.progress({"steps": 3})
	action.done({"steps": 12})
	action.fail("late")
	check_equal(
		_statuses(), ["accepted", "started", "progress", "done"] as Array[String], "one end"
	)
	check_equal(
		client.last_body("action.update"),
		{"action_id": 1, "status": "done", "reason": "", "result": {"steps": 12}},
		"body"
	)


func test_an_action_that_nobody_takes_is_refused() -> void:
	await add_spawned()
	_request("go_to", {"target": "well"})
	check_equal(client.last_body("action.update")["reason"], "not_supported", "reason")


func test_an_end_during_a_lost_link_is_told_afterwards() -> void:
	var character := await add_spawned()
	var asked: Array[NpcActionRequest] = []
	character.action_requested.connect(func(action: NpcActionRequest) -> void: asked.append(action))
	_request("go_to", {"target": "well"})
	asked[0].start()
	client.lose()
	asked[0].done()
	client.link(true)
	check_equal(_statuses().back(), "done", "told on resumption")


func test_an_action_resource_describes_its_parameters() -> void:
	var item := NpcParameter.new()
	item.name = "item"
	item.refers_to = NpcParameter.Refers.HELD_ITEM
	var times := NpcParameter.new()
	times.name = "count"
	times.type = NpcParameter.Type.INTEGER
	times.bounds = Vector2i(1, 5)
	times.is_optional = true
	var action := NpcAction.new()
	action.name = "burn"
	action.description = "Burns something."
	action.examples = ["Burn it!"]
	action.parameters = [item, times]
	client.link()
	var character := add_character()
	character.actions = [action]
	await frames(1)
	check_equal(
		client.last_body("tool.register"),
		{
			"name": "burn",
			"description": "Burns something.",
			"parameters":
			{
				"type": "object",
				"properties":
				{
					"item": {"type": "string", "x-ref": "held_item"},
					"count": {"type": "integer", "minimum": 1, "maximum": 5},
				},
				"required": ["item"],
			},
			"kind": "action",
			"timeout_ms": 10000,
			"examples": ["Burn it!"],
		},
		"body"
	)
	check_equal(client.sent[0]["type"], "tool.register", "before the spawn")


func test_questions_are_answered() -> void:
	var character := await add_spawned(Keeper.new())
	_ask("price_of", {"item": "ale"})
	check_equal(
		client.last_body("tool.result"),
		{"call_id": 2, "ok": true, "result": {"price": 3}, "error": ""},
		"by a method"
	)
	_ask("weather", {})
	check_equal(client.last_body("tool.result")["error"], "unknown_tool", "by nobody")
	character.tool_called.connect(func(asked: NpcToolCall) -> void: asked.answer({"text": "Rain."}))
	_ask("weather", {})
	check_equal(client.last_body("tool.result")["result"], {"text": "Rain."}, "by the signal")


func _request(tool: String, args: Dictionary) -> void:
	var body := {"action_id": 1, "tool": tool, "args": args, "timeout_ms": 1000}
	client.deliver("berta", "action.request", body)


func _ask(tool: String, args: Dictionary) -> void:
	var body := {"call_id": 2, "tool": tool, "args": args, "timeout_ms": 1000}
	client.deliver("berta", "tool.call", body)


## The statuses told of the last action.
func _statuses() -> Array[String]:
	var told: Array[String] = []
	for message in client.sent:
		var body: Dictionary = message["body"]
		if message["type"] == "action.update":
			told.append(str(body["status"]))
	return told


## An actor with methods for an NPC.
class Keeper:
	extends Node
	enum Gate { NORTH, SOUTH }

	var opened: Array = []
	var carried: Array[String] = ["?"]
	var was_called := false

	func secret() -> void:
		was_called = true

	func npc_open_gate(gate: Gate, times: int = 1, wide := false) -> void:
		opened = [gate, times, wide]

	func npc_carry_all(items: Array[String], speed := 1.0) -> void:
		carried = items
		was_called = speed > 1.0

	func npc_price_of(item: String) -> Dictionary:
		return {"price": item.length()}

	func npc_go_to(target: String) -> bool:
		await get_tree().process_frame
		return target != "moon"

	func npc_watch(action: NpcActionRequest) -> void:
		action.accept()
		action.start()
		action.progress()
		action.cancel_requested.connect(action.cancel)
