extends RefCounted
## One ZMTP 3.1 connection as a DEALER, mechanism NULL, no identity. Never waits: [method step] does
## what can be done now. Knows frames and heartbeats, not what is in a frame.
##
## Source: ZeroMQ RFC 37 (ZMTP 3.1). The handshake goes step by step, READY only after the peer's
## whole greeting, as libzmq now and then refuses what comes in one piece.

## What has become of the connection.
enum State { CONNECTING, GREETING, HANDSHAKE, OPEN, CLOSED }

const GREETING_BYTES := 64
## Larger frames end the connection; a saved state may be larger than any other message.
const MAX_FRAME_BYTES := 64 * 1024 * 1024
const HEARTBEAT_INTERVAL_MS := 2000
const HEARTBEAT_TIMEOUT_MS := 10000
const HANDSHAKE_TIMEOUT_MS := 3000

const _MORE := 1
const _LONG := 2
const _COMMAND := 4
const _READ_BYTES := 1 << 18

## How far the connection is.
var state := State.CONNECTING
## Why it was closed; empty while it is not.
var problem := ""

var _peer := StreamPeerTCP.new()
var _unread := PackedByteArray()
var _at := 0
var _unsent := PackedByteArray()
var _started_ms := Time.get_ticks_msec()
var _heard_ms := Time.get_ticks_msec()
var _pinged_ms := Time.get_ticks_msec()
var _num_parts := 0


## Begins to connect; [param endpoint] is like [code]tcp://127.0.0.1:5555[/code].
func connect_to(endpoint: String) -> void:
	var address := endpoint.trim_prefix("tcp://")
	var colon := address.rfind(":")
	var host := address.left(colon).trim_prefix("[").trim_suffix("]")
	var port := address.substr(colon + 1)
	if not endpoint.begins_with("tcp://") or colon < 1 or not port.is_valid_int():
		close("the endpoint is like tcp://127.0.0.1:5555, got %s" % endpoint)
		return
	if _peer.connect_to_host(host, port.to_int()) != OK:
		close("cannot connect to %s" % endpoint)


## Ends the connection; harmless when it has ended.
func close(why := "closed") -> void:
	if state != State.CLOSED:
		state = State.CLOSED
		problem = why
		_peer.disconnect_from_host()


## Sends a frame as soon as it can be, after the handshake.
func send(frame: PackedByteArray) -> void:
	_queue_frame(frame, 0)


## How many bytes wait to be sent.
func num_unsent() -> int:
	return _unsent.size()


## Reads and writes what can be now; gives the frames that have come.
func step() -> Array[PackedByteArray]:
	var frames: Array[PackedByteArray] = []
	if state == State.CLOSED:
		return frames
	_peer.poll()
	match _peer.get_status():
		StreamPeerTCP.STATUS_CONNECTED:
			if state == State.CONNECTING:
				_peer.set_no_delay(true)
				_unsent = _greeting()
				state = State.GREETING
			_read()
			_parse(frames)
			_keep_alive()
			_write()
		StreamPeerTCP.STATUS_CONNECTING:
			_keep_alive()
		_:
			_parse(frames)
			close("nothing listens there" if state == State.CONNECTING else "the peer hung up")
	return frames


func _read() -> void:
	var num_bytes := mini(_peer.get_available_bytes(), _READ_BYTES)
	if num_bytes <= 0:
		return
	var result := _peer.get_partial_data(num_bytes)
	var data: PackedByteArray = result[1]
	if result[0] != OK:
		close("reading failed")
		return
	_heard_ms = Time.get_ticks_msec()
	if _at > 0:
		_unread = _unread.slice(_at)
		_at = 0
	_unread.append_array(data)


func _write() -> void:
	if state == State.CLOSED or _unsent.is_empty():
		return
	var result := _peer.put_partial_data(_unsent)
	if result[0] != OK:
		close("writing failed")
		return
	var num_sent: int = result[1]
	_unsent = _unsent.slice(num_sent) if num_sent < _unsent.size() else PackedByteArray()


func _parse(frames: Array[PackedByteArray]) -> void:
	if state == State.GREETING:
		_take_greeting()
	while state == State.HANDSHAKE or state == State.OPEN:
		var num_left := _unread.size() - _at
		if num_left < 2:
			return
		var flags := _unread[_at]
		var is_long := flags & _LONG != 0
		var head := 9 if is_long else 2
		if num_left < head:
			return
		var length := _unread[_at + 1]
		if is_long:
			length = 0
			for index in 8:
				length = (length << 8) | _unread[_at + 1 + index]
		if flags & ~(_MORE | _LONG | _COMMAND) or length < 0 or length > MAX_FRAME_BYTES:
			close("the peer does not speak ZMTP, or sent a frame of %d bytes" % length)
			return
		if num_left < head + length:
			return
		var body := _unread.slice(_at + head, _at + head + length)
		_at += head + length
		if flags & _COMMAND:
			_take_command(body)
		elif state == State.HANDSHAKE:
			close("the peer sent a message within the handshake")
		else:
			_take_message(body, flags & _MORE != 0, frames)


func _take_greeting() -> void:
	if _unread.size() - _at < GREETING_BYTES:
		return
	var greeting := _unread.slice(_at, _at + GREETING_BYTES)
	_at += GREETING_BYTES
	var mechanism := greeting.slice(12, 32).get_string_from_ascii()
	if greeting[0] != 0xFF or greeting[9] & 1 == 0 or greeting[10] < 3:
		close("the peer does not speak ZMTP 3")
	elif mechanism != "NULL":
		close("the peer wants the mechanism %s, not NULL" % mechanism)
	else:
		state = State.HANDSHAKE
		_queue_frame(_command("READY", _property("Socket-Type", "DEALER")), _COMMAND)


func _take_command(body: PackedByteArray) -> void:
	var length := body[0] if not body.is_empty() else 0
	if body.size() <= length:
		close("the peer sent a damaged command")
		return
	var name := body.slice(1, 1 + length).get_string_from_ascii()
	var data := body.slice(1 + length)
	match name:
		"READY" when state == State.HANDSHAKE:
			state = State.OPEN
		"PING" when state == State.OPEN:
			_queue_frame(_command("PONG", data.slice(2)), _COMMAND)
		"ERROR":
			close("the peer refused the connection")
		_:
			if state == State.HANDSHAKE:
				close("the peer answered the handshake with %s" % name)


## Protocol 1 has one frame a message; what has more is passed over.
func _take_message(body: PackedByteArray, has_more: bool, frames: Array[PackedByteArray]) -> void:
	if not has_more and _num_parts == 0:
		frames.append(body)
	_num_parts = _num_parts + 1 if has_more else 0


func _keep_alive() -> void:
	var now_ms := Time.get_ticks_msec()
	if state != State.OPEN:
		if now_ms - _started_ms > HANDSHAKE_TIMEOUT_MS:
			close("no handshake within %d ms" % HANDSHAKE_TIMEOUT_MS)
		return
	if now_ms - _heard_ms > HEARTBEAT_TIMEOUT_MS:
		close("nothing heard for %d ms" % HEARTBEAT_TIMEOUT_MS)
	elif now_ms - maxi(_pinged_ms, _heard_ms) > HEARTBEAT_INTERVAL_MS:
		_pinged_ms = now_ms
		_queue_frame(_command("PING", PackedByteArray([0, 0])), _COMMAND)


func _queue_frame(body: PackedByteArray, flags: int) -> void:
	if state == State.CLOSED:
		return
	var length := body.size()
	if length < 0x100:
		_unsent.append(flags)
		_unsent.append(length)
	else:
		_unsent.append(flags | _LONG)
		for index in 8:
			_unsent.append((length >> (56 - 8 * index)) & 0xFF)
	_unsent.append_array(body)


static func _greeting() -> PackedByteArray:
	var bytes := PackedByteArray()
	bytes.resize(GREETING_BYTES)
	bytes[0] = 0xFF
	bytes[9] = 0x7F
	bytes[10] = 3
	bytes[11] = 1
	var mechanism := "NULL".to_ascii_buffer()
	for index in mechanism.size():
		bytes[12 + index] = mechanism[index]
	return bytes


static func _command(name: String, data: PackedByteArray) -> PackedByteArray:
	var bytes := PackedByteArray([name.length()])
	bytes.append_array(name.to_ascii_buffer())
	bytes.append_array(data)
	return bytes


static func _property(name: String, value: String) -> PackedByteArray:
	var bytes := PackedByteArray([name.length()])
	bytes.append_array(name.to_ascii_buffer())
	bytes.append_array(PackedByteArray([0, 0, 0, value.length()]))
	bytes.append_array(value.to_ascii_buffer())
	return bytes
