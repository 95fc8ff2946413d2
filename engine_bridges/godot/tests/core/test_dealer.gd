extends "res://tests/test_case.gd"
## ZMTP against a peer that the test plays byte by byte: the handshake's order, heartbeats, frames,
## and silence.

const Dealer := preload("res://addons/npc_brain/transport/zmtp_dealer.gd")
const READY := "\u0005READY"
## No test takes as long.
const LONG_MS := 3_600_000

var _server := TCPServer.new()
var _peer: StreamPeerTCP
var _dealer := Dealer.new()
var _frames: Array[PackedByteArray] = []
var _received_bytes := PackedByteArray()


func clean_up() -> void:
	_dealer.close()
	if _peer != null:
		_peer.disconnect_from_host()
	_server.stop()
	await super()


func test_ready_waits_for_the_whole_greeting() -> void:
	await _accept()
	var greeting := await _received(Dealer.GREETING_BYTES)
	check_equal(greeting, Dealer._greeting(), "its greeting")
	_peer.put_data(greeting.slice(0, 63))
	await _steps(20)
	check_equal(_peer.get_available_bytes(), 0, "nothing on a part of a greeting")
	_peer.put_data(greeting.slice(63))
	var answer := await _received(2 + 28)
	check_equal(answer[0], Dealer._COMMAND, "a command")
	check_equal(answer.slice(2, 8).get_string_from_ascii(), READY, "READY")
	check_equal(answer.slice(24).get_string_from_ascii(), "DEALER", "socket type")
	check_equal(_dealer.state, Dealer.State.HANDSHAKE, "not open before the peer's READY")
	_put(_ready_command(), Dealer._COMMAND)
	await until(_is_open, "the handshake's end")


func test_frames_go_both_ways_whatever_their_length() -> void:
	await _open()
	for length: int in [0, 1, 255, 256, 70_000, 1_000_000]:
		var frame := PackedByteArray()
		frame.resize(length)
		frame.fill(length & 0x7F)
		_put(frame, 0)
		await until(_has_frame, "%d bytes" % length)
		check(_frames[0] == frame, "%d bytes as they were sent" % length)
		_frames.clear()
		_dealer.send(frame)
		var head := 2 if length < 256 else 9
		var got := await _received(head + length)
		check(got.slice(head) == frame, "%d bytes as they were given" % length)


func test_what_has_several_parts_is_passed_over() -> void:
	await _open()
	_put("one".to_ascii_buffer(), Dealer._MORE)
	_put("two".to_ascii_buffer(), 0)
	_put("whole".to_ascii_buffer(), 0)
	await until(_has_frame, "a frame")
	check_equal(_frames, ["whole".to_ascii_buffer()] as Array[PackedByteArray], "frames")


func test_a_ping_is_answered_with_its_context() -> void:
	await _open()
	_put(Dealer._command("PING", PackedByteArray([0, 50, 7, 8])), Dealer._COMMAND)
	var pong := Dealer._command("PONG", PackedByteArray([7, 8]))
	check_equal((await _received(2 + pong.size())).slice(2), pong, "PONG")


func test_silence_is_asked_about_and_ends_the_connection() -> void:
	await _open()
	await _steps(20)
	check_equal(_peer.get_available_bytes(), 0, "no PING while something is heard")
	_stay_silent(Dealer.HEARTBEAT_INTERVAL_MS + 1)
	var ping := Dealer._command("PING", PackedByteArray([0, 0]))
	check_equal((await _received(2 + ping.size())).slice(2), ping, "PING")
	_stay_silent(Dealer.HEARTBEAT_TIMEOUT_MS + 1)
	await _steps(2)
	check_equal(_dealer.state, Dealer.State.CLOSED, "state")
	check(_dealer.problem.contains("nothing heard"), _dealer.problem)


func test_a_peer_that_says_nothing_is_given_up() -> void:
	await _accept()
	_dealer._started_ms = Time.get_ticks_msec() - Dealer.HANDSHAKE_TIMEOUT_MS - 1
	await _steps(2)
	check_equal(_dealer.state, Dealer.State.CLOSED, "state")
	check(_dealer.problem.contains("no handshake"), _dealer.problem)


func test_what_is_no_zmtp_3_is_told() -> void:
	for change: Array in [[0, 0x47, "ZMTP 3"], [10, 1, "ZMTP 3"], [12, 0x43, "CULL"]]:
		_dealer = Dealer.new()
		await _accept()
		var greeting := Dealer._greeting()
		var at: int = change[0]
		greeting[at] = change[1]
		_peer.put_data(greeting)
		await until(_is_closed, "the end")
		var told: String = change[2]
		check(_dealer.problem.contains(told), _dealer.problem)
		_server.stop()


func test_a_bad_endpoint_is_told() -> void:
	for endpoint: String in ["", "5555", "ipc:///x", "tcp://127.0.0.1", "tcp://127.0.0.1:x"]:
		var dealer := Dealer.new()
		dealer.connect_to(endpoint)
		check_equal(dealer.state, Dealer.State.CLOSED, endpoint)


func _accept() -> void:
	_server.listen(0, "127.0.0.1")
	_dealer.connect_to("tcp://127.0.0.1:%d" % _server.get_local_port())
	# However slow the test is: it has just begun, and has just asked.
	_dealer._started_ms = Time.get_ticks_msec() + LONG_MS
	_dealer._pinged_ms = _dealer._started_ms
	await until(_server.is_connection_available, "a connection")
	_peer = _server.take_connection()
	await until(
		func() -> bool:
			_frames.append_array(_dealer.step())
			return _dealer.state != Dealer.State.CONNECTING,
		"the connection here"
	)


func _open() -> void:
	await _accept()
	_peer.put_data(await _received(Dealer.GREETING_BYTES))
	await _received(2 + 28)
	_put(_ready_command(), Dealer._COMMAND)
	await until(_is_open, "the handshake's end")


func _is_open() -> bool:
	_frames.append_array(_dealer.step())
	return _dealer.state == Dealer.State.OPEN


func _is_closed() -> bool:
	_frames.append_array(_dealer.step())
	return _dealer.state == Dealer.State.CLOSED


func _has_frame() -> bool:
	_frames.append_array(_dealer.step())
	return not _frames.is_empty()


func _put(body: PackedByteArray, flags: int) -> void:
	var writer := Dealer.new()
	writer._queue_frame(body, flags)
	_peer.put_data(writer._unsent)


## The next bytes that the dealer sends.
func _received(num_bytes: int) -> PackedByteArray:
	_received_bytes.clear()
	await until(
		func() -> bool:
			_frames.append_array(_dealer.step())
			_peer.poll()
			var num_left := num_bytes - _received_bytes.size()
			var part := _peer.get_partial_data(mini(num_left, _peer.get_available_bytes()))
			var data: PackedByteArray = part[1]
			_received_bytes.append_array(data)
			return _received_bytes.size() == num_bytes,
		"%d bytes" % num_bytes
	)
	return _received_bytes


func _steps(num: int) -> void:
	for _step in num:
		_frames.append_array(_dealer.step())
		_peer.poll()
		await get_tree().process_frame


## As if the dealer had heard nothing for so long.
func _stay_silent(duration_ms: int) -> void:
	_dealer._heard_ms = Time.get_ticks_msec() - duration_ms
	_dealer._pinged_ms = _dealer._heard_ms


static func _ready_command() -> PackedByteArray:
	return Dealer._command("READY", Dealer._property("Socket-Type", "ROUTER"))
