extends "res://tests/test_case.gd"
## Whatever bytes come, no script error: damaged connections, and messages of wrong types through
## the link, the client and a character.

const Dealer := preload("res://addons/npc_brain/transport/zmtp_dealer.gd")
const Link := preload("res://addons/npc_brain/transport/link.gd")
const MessageCheck := preload("res://addons/npc_brain/transport/message_check.gd")
const Msgpack := preload("res://addons/npc_brain/transport/msgpack.gd")
const NPC_ID := "mira"
const CHUNK := 200
const HELLO_ID := 7

var _random := RandomNumberGenerator.new()


func test_golden_messages_pass_the_check() -> void:
	for message in _golden():
		check_equal(MessageCheck.problem_of(message), "", str(message["type"]))


func test_messages_of_wrong_types_are_told() -> void:
	var token := {"type": "turn.token", "id": 1, "npc_id": "mira", "body": {"turn_id": 1}}
	var body: Dictionary = token["body"]
	check_equal(MessageCheck.problem_of(token), "turn.token.text is missing", "missing")
	body["text"] = 7
	check_equal(
		MessageCheck.problem_of(token), "turn.token.text is a String, got a int", "wrong type"
	)
	body["text"] = "Hm."
	check_equal(MessageCheck.problem_of(token), "", "right")
	check_equal(MessageCheck.problem_of([1]), "a message is a map, got a Array", "no map")


func test_an_answer_of_wrong_type_is_an_error_to_who_asked() -> void:
	var client := _linked_client()
	var answers: Array[Dictionary] = []
	var id := client.send("ping", {}, "", func(told: Dictionary) -> void: answers.append(told))
	var pong := {"type": "pong", "id": 1, "reply_to": id, "body": {"uptime_ms": "long"}}
	client._link._take_frame(Msgpack.encode(pong))
	client._process(0.0)
	if check_equal(answers.size(), 1, "answers"):
		var body: Dictionary = answers[0]["body"]
		check_equal(body["code"], "bad_body", "code")


## 100,000 messages with values of other types, fields gone and added, and bytes damaged.
func test_fuzzed_messages_make_no_script_error() -> void:
	_random.seed = 11
	var client := _linked_client()
	var num_taken: Array[int] = [0]
	client.message_received.connect(func(_message: Dictionary) -> void: num_taken[0] += 1)
	var actor := Actor.new()
	var character := NpcCharacter.new()
	character.client = client
	character.npc_id = NPC_ID
	character.definition_file = "res://addons/npc_brain/first_project/innkeeper.yaml"
	actor.add_child(character)
	add_child(actor)
	var seeds := _golden()
	for round_number in range(0, count(100_000, 10_000), CHUNK):
		_connect(client)
		if round_number % (5 * CHUNK) == 0:
			client._link._is_linked = false
			client._link._hello_id = HELLO_ID
		for _frame in CHUNK:
			var message: Dictionary = seeds[_random.randi() % seeds.size()].duplicate(true)
			client._link._take_frame(_damaged(message))
			client._process(0.0)
			client._link._outbox.clear()
			if client._link._dealer == null:
				_connect(client)
		await get_tree().process_frame
	check(num_taken[0] > 1000, "many are messages still: %d" % num_taken[0])
	_connect(client)
	client._process(0.0)
	check(client.is_connected_to_sidecar, "and the link works on")
	actor.free()


## Handshakes and frames with bytes changed, cut and doubled, in pieces of any size.
func test_fuzzed_connections_make_no_script_error() -> void:
	_random.seed = 13
	var whole := Dealer._greeting()
	for part: Array in [
		[Dealer._command("READY", Dealer._property("Socket-Type", "ROUTER")), Dealer._COMMAND],
		[Dealer._command("PING", PackedByteArray([0, 0, 1, 2])), Dealer._COMMAND],
		["first".to_ascii_buffer(), 0],
		["x".repeat(300).to_ascii_buffer(), 0],
	]:
		var body: PackedByteArray = part[0]
		var flags: int = part[1]
		var writer := Dealer.new()
		writer._queue_frame(body, flags)
		whole.append_array(writer._unsent)
	check_equal(_frames_of(whole).size(), 2, "frames of the undamaged connection")
	var num_closed := 0
	var num_frames := 0
	for _round in count(20_000, 4_000):
		var bytes := whole.duplicate()
		for _change in _random.randi_range(1, 4):
			bytes[_random.randi() % bytes.size()] = _random.randi() & 0xFF
		if _random.randi() % 4 == 0:
			bytes = bytes.slice(0, _random.randi() % bytes.size())
		var dealer := Dealer.new()
		num_frames += _frames_of(bytes, dealer).size()
		num_closed += int(dealer.state == Dealer.State.CLOSED)
	check(num_closed > 0 and num_frames > 0, "some are refused, some are not")


func _frames_of(bytes: PackedByteArray, dealer := Dealer.new()) -> Array[PackedByteArray]:
	var frames: Array[PackedByteArray] = []
	dealer.state = Dealer.State.GREETING
	var at := 0
	while at < bytes.size():
		var end := at + _random.randi_range(1, 200)
		dealer._unread.append_array(bytes.slice(at, end))
		dealer._parse(frames)
		at = end
	return frames


## A client with a link that has no thread and no socket.
func _linked_client() -> Client:
	var client := Client.new()
	_clients.append(client)
	add_child(client)
	client.set_process(false)
	client.frame_budget_us = 1_000_000
	client._link = Link.new()
	_connect(client)
	client._process(0.0)
	return client


func _connect(client: Client) -> void:
	var link := client._link
	link._dealer = Dealer.new()
	link._is_linked = true
	link._epoch += 1
	var body := {"resumed": false, "model": {"phase": "ready"}}
	var message := {"type": "welcome", "id": 1, "body": body}
	link._events.append({"kind": Link.CONNECTED, "message": message, "epoch": link._epoch})


func _damaged(message: Dictionary) -> PackedByteArray:
	if message.has("npc_id"):
		message["npc_id"] = NPC_ID
	if _random.randi() % 3 == 0:
		message["reply_to"] = HELLO_ID if _random.randi() % 2 else _random.randi_range(0, 50)
	for _change in _random.randi_range(0, 3):
		_change_in(message)
	var bytes := Msgpack.encode(message)
	if _random.randi() % 4 == 0 and not bytes.is_empty():
		bytes[_random.randi() % bytes.size()] = _random.randi() & 0xFF
	return bytes


func _change_in(map: Dictionary) -> void:
	if map.is_empty():
		map["new"] = _any_value()
		return
	var key: Variant = map.keys()[_random.randi() % map.size()]
	if map[key] is Dictionary and _random.randi() % 8 > 0:
		var inner: Dictionary = map[key]
		_change_in(inner)
	elif _random.randi() % 6 == 0:
		map.erase(key)
	else:
		map[key] = _any_value()


func _any_value() -> Variant:
	var values: Array = [
		null, true, 0, -1, 7, 1 << 62, 0.5, "", "ready", "mira", PackedByteArray([1]), [], [1, "x"]
	]
	values.append_array([{}, {"x": [null]}])
	return values[_random.randi() % values.size()]


## The golden messages that a sidecar sends.
func _golden() -> Array[Dictionary]:
	var messages: Array[Dictionary] = []
	var folder := OS.get_environment("NPC_BRAIN_GOLDEN")
	for file in DirAccess.get_files_at(folder):
		if file.ends_with(".msgpack"):
			var message: Dictionary = Msgpack.decode(
				FileAccess.get_file_as_bytes(folder.path_join(file))
			)
			var type: String = message["type"]
			# The type "stats" goes both ways; the engine's has an empty body.
			var is_question: bool = type == "stats" and message["body"] == {}
			if MessageCheck.FIELDS.has(type) and not is_question:
				messages.append(message)
	return messages


## Has methods that are called with whatever arguments come.
class Actor:
	extends Node

	func npc_go_to(target: String) -> bool:
		return not target.is_empty()

	func npc_inventory_give(item: String, count: int) -> bool:
		return count > item.length()
