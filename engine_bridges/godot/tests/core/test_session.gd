extends "res://tests/test_case.gd"
## The client against a real sidecar: turns, actions, saves, cancels, losses, refusals, cycles.

const Dealer := preload("res://addons/npc_brain/transport/zmtp_dealer.gd")
const Msgpack := preload("res://addons/npc_brain/transport/msgpack.gd")

## How often a turn is asked for that must not end before something else happens.
const TRIES := 10
const WORLD := {
	"revision": 1,
	"nav": {"kind": "grid", "width": 8, "height": 1},
	"places": [{"id": "mill", "name": "the mill", "position": [6, 0]}],
	"entities": [{"id": "player", "name": "the traveller", "kind": "player", "position": [0, 0]}],
}


func test_a_turn_is_streamed() -> void:
	var client := await _linked()
	await _spawn(client, "mira")
	var turn := Turn.new(client, "mira", "Good evening!")
	if await until(turn.has_ended, "the turn's end"):
		check_equal(turn.line(), turn.said, "tokens add up to the lines")
		check_equal(turn.outcome, "said", "outcome")
		check_equal(turn.sources, PackedStringArray(["scripted"]), "source")


## One sidecar with the model for all that needs one: loading it is the longest part.
func test_turns_of_the_embedded_model() -> void:
	var client := await _linked("smollm2-135m")
	await until(func() -> bool: return client.phase == &"ready", "the model")
	await _spawn(client, "mira")
	await _check_that_it_is_streamed(client)
	await _check_that_cancel_ends_it_at_once(client)
	await _check_that_a_sidecar_killed_mid_line_is_back_and_answers(client)


func test_the_life_of_an_action() -> void:
	var client := await _linked()
	await until(func() -> bool: return client.phase == &"ready", "its understanding")
	await ask(client, "npc.spawn", {"definition": "pip", "position": [0, 0]}, "pip")
	var requests: Array[Dictionary] = []
	client.message_received.connect(
		func(message: Dictionary) -> void:
			if message["type"] == "action.request":
				var body: Dictionary = message["body"]
				requests.append(body)
	)
	var turn := Turn.new(client, "pip", "Can you take me to the mill?")
	if not await until(func() -> bool: return not requests.is_empty(), "the request"):
		return
	check_equal(requests[0]["tool"], "go_to", "tool")
	check_equal(requests[0]["args"], {"target": "mill"}, "arguments")
	var update := {"action_id": requests[0]["action_id"], "status": "accepted"}
	for status: String in ["accepted", "started", "progress", "done"]:
		update["status"] = status
		check_equal((await ask(client, "action.update", update, "pip"))["type"], "ok", status)
	var again: Dictionary = (await ask(client, "action.update", update, "pip"))["body"]
	check_equal(again.get("code"), "action_ended", "a second end")
	await until(turn.has_ended, "the turn's end")


func test_save_and_load() -> void:
	var client := await _linked()
	await _spawn(client, "mira")
	var states: Array[Dictionary] = []
	client.register_character(
		"mira",
		func(message: Dictionary) -> void:
			var body: Dictionary = message["body"]
			if message["type"] == "npc.state":
				states.append(body)
	)
	await ask(client, "npc.event", {"event": "attacked"}, "mira")
	await until(func() -> bool: return not states.is_empty(), "a transition")
	var saved: Dictionary = (await ask(client, "state.save", {}))["body"]
	var before: Dictionary = states[-1]
	check(saved.get("blob") is PackedByteArray, "a blob of bytes")
	check_equal((await ask(client, "npc.despawn", {}, "mira"))["type"], "ok", "despawned")
	states.clear()
	check_equal((await ask(client, "state.load", {"blob": saved["blob"]}))["type"], "ok", "loaded")
	if await until(func() -> bool: return not states.is_empty(), "its state"):
		check_equal(states[0]["event"], "load", "event")
		check_equal(states[0]["to"], before["to"], "the state that was saved")
		check_equal(states[0]["blackboard"], before["blackboard"], "the blackboard that was saved")
	var bad: Dictionary = (await ask(client, "state.load", {"blob": PackedByteArray([1])}))["body"]
	check_equal(bad.get("code"), "bad_blob", "a damaged blob")


func _check_that_it_is_streamed(client: Client) -> void:
	var turn := Turn.new(client, "mira", "Tell me about the winter here.")
	if await until(turn.has_ended, "the turn's end"):
		check(turn.num_tokens > 1, "it came in pieces")
		check_equal(turn.line(), turn.said, "tokens add up to the line")
		check_equal(turn.sources, PackedStringArray(["model"]), "source")


func _check_that_cancel_ends_it_at_once(client: Client) -> void:
	var turn: Turn
	var num_tokens := 0
	for _try in TRIES:
		turn = await _turn_mid_line(client)
		await ask(client, "turn.cancel", {"turn_id": turn.turn_id}, "mira")
		num_tokens = turn.num_tokens
		await until(turn.has_ended, "its end")
		if turn.outcome != "said":
			break
	check_equal(turn.outcome, "cancelled", "outcome")
	check_equal(turn.num_tokens, num_tokens, "no token after the answer")


func _check_that_a_sidecar_killed_mid_line_is_back_and_answers(client: Client) -> void:
	var turn := await _turn_mid_line(client)
	var losses: Array[String] = []
	client.disconnected.connect(func(why: String) -> void: losses.append(why))
	var killed_ms := Time.get_ticks_msec()
	_kill_sidecar(client)
	await until(func() -> bool: return not losses.is_empty(), "the loss")
	check_equal(client.phase, client.OFFLINE, "phase")
	var num_tokens := turn.num_tokens
	await until(func() -> bool: return client.is_connected_to_sidecar, "a new link")
	check_equal(turn.num_tokens, num_tokens, "nothing more of the old line")
	await _spawn(client, "mira")
	var took_ms := Time.get_ticks_msec() - killed_ms
	check(took_ms < stretched(2.0) * 1000, "back within 2 s, took %d ms" % took_ms)
	await until(Turn.new(client, "mira", "Hello again!").has_ended, "a turn after it")


func test_a_lost_link_resumes_the_session() -> void:
	var owner_of_sidecar := await _linked()
	var relay := Relay.new(owner_of_sidecar._link._endpoint)
	add_child(relay)
	var client := _client_at(relay.endpoint(), owner_of_sidecar._link._token)
	await until(func() -> bool: return client.is_connected_to_sidecar, "a link")
	await _spawn(client, "mira")
	var resumed: Array[bool] = []
	client.connected.connect(func(is_resumed: bool) -> void: resumed.append(is_resumed))
	relay.cut()
	await until(func() -> bool: return not resumed.is_empty(), "a new link", stretched(2.0))
	check_equal(resumed, [true] as Array[bool], "resumed")
	await until(Turn.new(client, "mira", "Are you there?").has_ended, "the same NPC answers")


func test_what_is_wrong_is_answered_and_harms_nothing() -> void:
	var client := await _linked()
	for message: Array in [
		["no.such", {}, "unknown_type"],
		["npc.spawn", {"definition": 7}, "bad_body"],
		["npc.hear", {"speaker_id": "player", "text": "Hi"}, "unknown_npc"],
		["world.patch", {"base_revision": 9, "revision": 10}, "resync"],
		["npc.event", {"event": "x", "data": {"at": Vector2.ZERO}}, "bad_body"],
	]:
		var type: String = message[0]
		var sent: Dictionary = message[1]
		var answer := await ask(client, type, sent, "mira" if type.begins_with("npc") else "")
		var body: Dictionary = answer["body"]
		check_equal(body.get("code"), message[2], type)
	check_equal((await ask(client, "ping", {}))["type"], "pong", "ping")


func test_a_wrong_token_is_refused() -> void:
	var first := await _linked()
	var endpoint := first._link._endpoint
	var client := _client_at(endpoint, "wrong")
	var codes: Array[String] = []
	client.error_received.connect(
		func(code: String, _text: String, _hint: String) -> void: codes.append(code)
	)
	await until(func() -> bool: return not codes.is_empty(), "the refusal")
	check_equal(codes, ["bad_token"] as Array[String], "code")
	check_equal(client.phase, client.OFFLINE, "phase")


func test_another_protocol_is_refused() -> void:
	var first := await _linked()
	var dealer := Dealer.new()
	dealer.connect_to(first._link._endpoint)
	var hello := {"protocol": [2, 0], "token": first._link._token, "client": Client._client_info()}
	var frames: Array[PackedByteArray] = []
	await until(
		func() -> bool:
			frames.append_array(dealer.step())
			return dealer.state == Dealer.State.OPEN,
		"the handshake"
	)
	dealer.send(Msgpack.encode({"type": "hello", "id": 1, "body": hello}))
	await until(
		func() -> bool:
			frames.append_array(dealer.step())
			return not frames.is_empty(),
		"the refusal"
	)
	var answer: Dictionary = Msgpack.decode(frames[0])
	var body: Dictionary = answer["body"]
	check_equal(body["code"], "bad_protocol", "code")
	dealer.close()


func test_something_else_than_a_sidecar_is_told() -> void:
	var server := TCPServer.new()
	server.listen(0, "127.0.0.1")
	var client := _client_at("tcp://127.0.0.1:%d" % server.get_local_port(), "x")
	await until(func() -> bool: return server.is_connection_available(), "a connection")
	var peer := server.take_connection()
	peer.put_data(
		(
			"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\nxxxxxxxxxxxxxxxxxxxx"
			. to_ascii_buffer()
		)
	)
	await until(func() -> bool: return server.is_connection_available(), "another try")
	check(not client.is_connected_to_sidecar, "no link")
	server.stop()


func test_where_nothing_listens_it_is_offline_and_says_so() -> void:
	var server := TCPServer.new()
	server.listen(0, "127.0.0.1")
	var port := server.get_local_port()
	server.stop()
	var client := _client_at("tcp://127.0.0.1:%d" % port, "x")
	var details: Array[String] = []
	client.status_changed.connect(
		func(_phase: StringName, detail: String, _progress: float) -> void: details.append(detail)
	)
	await until(func() -> bool: return client.phase == client.OFFLINE, "the word")
	check_equal(details, ["nothing listens there"] as Array[String], "details")


func test_without_a_program_it_is_offline_and_says_why() -> void:
	ProjectSettings.set_setting(Settings.PATH, "/no/such/program")
	var client := Client.new()
	add_child(client)
	client.start()
	check_equal(client.phase, client.OFFLINE, "phase")
	check_equal(client.send("ping", {}), 0, "nothing is sent")
	client.free()


func test_two_games_do_not_meet() -> void:
	var one := await _linked()
	var other := await _linked()
	check(one._link._endpoint != other._link._endpoint, "ports")
	check(one._link._token != other._link._token, "tokens")
	await _spawn(one, "mira")
	await _spawn(other, "mira")
	_kill_sidecar(one)
	await until(Turn.new(other, "mira", "Good evening!").has_ended, "a turn in the other game")
	check(other.is_connected_to_sidecar, "the other's link")


func test_a_sidecar_that_does_not_read_bounds_what_waits() -> void:
	var client := await _linked()
	OS.execute("kill", ["-STOP", str(client._link._process._pid)])
	var refusals: Array[Dictionary] = []
	var image := PackedByteArray()
	image.resize(2000)
	var see := {"speaker_id": "player", "image": image}
	for _message in 2 * client.Link.MAX_UNSENT:
		client.send(
			"npc.see",
			see,
			"mira",
			func(answer: Dictionary) -> void:
				var body: Dictionary = answer["body"]
				if body["code"] == "too_many_queued":
					refusals.append(body)
		)
		if not refusals.is_empty():
			break
	if check_equal(refusals.size(), 1, "refusals"):
		check_equal(refusals[0]["retryable"], true, "retryable")
	var link := client._link
	client.stop()
	await until(func() -> bool: return not link.is_running(), "the thread's end", stretched(1.0))


func test_start_and_stop_leave_nothing() -> void:
	var pids: Array[int] = []
	await _start_and_stop(pids)
	var before := _resources()
	for _cycle in count(200, 4):
		await _start_and_stop(pids)
	await until(func() -> bool: return _resources() == before, "no more threads and open files")
	for pid in pids:
		await until(
			func() -> bool: return not DirAccess.dir_exists_absolute("/proc/%d" % pid),
			"the end of process %d" % pid
		)


func _start_and_stop(pids: Array[int]) -> void:
	var client := start_client()
	await until(func() -> bool: return client.is_connected_to_sidecar, "a link")
	pids.append(client._link._process._pid)
	client.stop()
	var link := client._ending[0]
	await until(func() -> bool: return client._ending.is_empty(), "the thread's end")
	check(not link.is_running(), "no thread is left")
	_clients.erase(client)
	client.free()


## How many threads and open files this program has; Linux tells.
static func _resources() -> Array[int]:
	return [
		DirAccess.get_directories_at("/proc/self/task").size(),
		(
			DirAccess.get_files_at("/proc/self/fd").size()
			+ DirAccess.get_directories_at("/proc/self/fd").size()
		),
	]


func _linked(model := "none") -> Client:
	var client := start_client(model)
	await until(func() -> bool: return client.is_connected_to_sidecar, "a link")
	var world := WORLD.duplicate(true)
	var nav: Dictionary = world["nav"]
	nav["cells"] = PackedByteArray([1, 1, 1, 1, 1, 1, 1, 1])
	var answer := await ask(client, "world.sync", world)
	check_equal(answer["type"], "ok", "the world: %s" % answer["body"])
	return client


func _client_at(endpoint: String, token: String) -> Client:
	var client := Client.new()
	_clients.append(client)
	add_child(client)
	ProjectSettings.set_setting(Settings.ENDPOINT, endpoint)
	OS.set_environment("NPC_BRAIN_TOKEN", token)
	client.start()
	OS.unset_environment("NPC_BRAIN_TOKEN")
	ProjectSettings.set_setting(Settings.ENDPOINT, "")
	return client


func _spawn(client: Client, npc_id: String) -> void:
	var answer := await ask(client, "npc.spawn", {"definition": npc_id}, npc_id)
	check_equal(answer["type"], "npc.state", "%s is spawned" % npc_id)


## A turn of the model that has said something and has not ended; a frame may be too long for that.
func _turn_mid_line(client: Client) -> Turn:
	var turn: Turn
	for _try in TRIES:
		turn = Turn.new(client, "mira", "Tell me a very long story about the winter.")
		await until(func() -> bool: return turn.num_tokens > 0 or turn.has_ended(), "a token")
		if not turn.has_ended():
			break
	check(not turn.has_ended(), "it is within the line")
	return turn


func _kill_sidecar(client: Client) -> void:
	OS.execute("kill", ["-9", str(client._link._process._pid)])


## A turn that was asked for, and what came of it.
class Turn:
	extends RefCounted
	var turn_id := 0
	var said := ""
	var num_tokens := 0
	var outcome := ""
	var sources := PackedStringArray()
	var _lines := PackedStringArray()

	func _init(client: Client, npc_id: String, text: String) -> void:
		client.message_received.connect(_take)
		var body := {"speaker_id": "player", "text": text, "deadline_ms": roundi(WAIT_S * 1000)}
		client.send("npc.hear", body, npc_id, _take_answer)

	func has_ended() -> bool:
		return not outcome.is_empty()

	func line() -> String:
		return "".join(_lines)

	func _take_answer(message: Dictionary) -> void:
		var body: Dictionary = message["body"]
		turn_id = body.get("turn_id", -1)
		if message["type"] == "error":
			outcome = str(body["code"])

	func _take(message: Dictionary) -> void:
		var body: Dictionary = message["body"]
		if turn_id == 0 or body.get("turn_id") != turn_id or has_ended():
			return
		match message["type"]:
			"turn.token":
				num_tokens += 1
				said += str(body["text"])
			"turn.line":
				_lines.append(str(body["text"]))
				sources.append(str(body["source"]))
			"turn.ended":
				outcome = str(body["outcome"])


## Passes bytes on between one client and a sidecar, until it is cut.
class Relay:
	extends Node
	var _server := TCPServer.new()
	var _target: String
	var _pairs: Array[Array] = []

	func _init(target: String) -> void:
		_target = target.trim_prefix("tcp://")
		_server.listen(0, "127.0.0.1")

	func endpoint() -> String:
		return "tcp://127.0.0.1:%d" % _server.get_local_port()

	func cut() -> void:
		for pair: Array in _pairs:
			for peer: StreamPeerTCP in pair:
				peer.disconnect_from_host()
		_pairs.clear()

	func _process(_delta: float) -> void:
		if _server.is_connection_available():
			var onward := StreamPeerTCP.new()
			onward.connect_to_host(_target.get_slice(":", 0), _target.get_slice(":", 1).to_int())
			_pairs.append([_server.take_connection(), onward])
		for pair: Array in _pairs:
			var here: StreamPeerTCP = pair[0]
			var there: StreamPeerTCP = pair[1]
			_pass(here, there)
			_pass(there, here)

	func _pass(from: StreamPeerTCP, to: StreamPeerTCP) -> void:
		from.poll()
		to.poll()
		for peer: StreamPeerTCP in [from, to]:
			if peer.get_status() != StreamPeerTCP.STATUS_CONNECTED:
				return
		if from.get_available_bytes() > 0:
			var got := from.get_partial_data(from.get_available_bytes())
			var data: PackedByteArray = got[1]
			to.put_data(data)
