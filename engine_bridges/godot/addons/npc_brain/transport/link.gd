extends RefCounted
## The I/O thread: owns the socket and the sidecar's process, and does all codec work.
##
## It connects, says hello, resumes, answers heartbeats and reconnects, whatever the game's frames
## do. Both ways go through one queue each; the main thread only swaps them under a lock.

const Dealer := preload("res://addons/npc_brain/transport/zmtp_dealer.gd")
const MessageCheck := preload("res://addons/npc_brain/transport/message_check.gd")
const Msgpack := preload("res://addons/npc_brain/transport/msgpack.gd")
const SidecarProcess := preload("res://addons/npc_brain/sidecar/sidecar_process.gd")

## What the main thread is told; keys [code]kind[/code] and what belongs to it.
const MESSAGE := &"message"
const CONNECTED := &"connected"
const LOST := &"lost"
const REFUSED := &"refused"
const LOG := &"log"
const OFFLINE := &"offline"

const PROTOCOL: Array = [1, 0]
## With so many messages untaken the socket is not read any more, which slows the sidecar down.
const MAX_UNTAKEN := 4096
## With so many messages unsent no more are taken; with so many bytes none are written.
const MAX_UNSENT := 16384
const MAX_UNSENT_BYTES := 1 << 20
const FIRST_BACK_OFF_MS := 100
const MAX_BACK_OFF_MS := 5000
const HELLO_TIMEOUT_MS := 2000
const GOODBYE_MS := 20
## While messages come and go, and a second after; else it sleeps longer.
const BUSY_SLEEP_US := 200
const IDLE_SLEEP_US := 2000
const BUSY_MS := 1000
## Errors of hello that trying again does not fix.
const FATAL: PackedStringArray = ["bad_token", "bad_protocol"]

var _mutex := Mutex.new()
var _thread := Thread.new()
var _outbox: Array[Dictionary] = []
var _events: Array[Dictionary] = []
var _last_id := 0
var _epoch := 0
var _is_stopping := false

# Of the I/O thread alone.
var _process: SidecarProcess
var _endpoint := ""
var _token := ""
var _client: Dictionary
var _dealer: Dealer
var _session_id := ""
var _hello_id := 0
var _hello_ms := 0
var _is_linked := false
var _is_refused := false
var _back_off_ms := FIRST_BACK_OFF_MS
var _next_try_ms := 0
var _last_loss := ""
var _busy_until_ms := 0


## Starts the thread. [param process] may be null: then a sidecar listens at [param endpoint] and
## wants [param token]. [param client] is what hello tells of the game.
func start(process: SidecarProcess, endpoint: String, token: String, client: Dictionary) -> void:
	_process = process
	_endpoint = endpoint
	_token = token
	_client = client
	_thread.start(_run)


## Asks the thread to say goodbye, end the process and end itself.
func request_stop() -> void:
	_mutex.lock()
	_is_stopping = true
	_mutex.unlock()


## Whether the thread runs still.
func is_running() -> bool:
	return _thread.is_alive()


## Waits for the thread's end: some milliseconds after [method request_stop].
func join() -> void:
	if _thread.is_started():
		_thread.wait_to_finish()


## Queues a message; gives its id, or 0 when too many wait already. [param epoch] is that of the
## connection it is meant for: with another one up it is dropped.
func post(type: String, body: Dictionary, npc_id: String, epoch: int) -> int:
	var id := 0
	_mutex.lock()
	if _outbox.size() < MAX_UNSENT:
		_last_id += 1
		id = _last_id
		_outbox.append({"type": type, "id": id, "npc_id": npc_id, "body": body, "epoch": epoch})
	_mutex.unlock()
	return id


## Everything that has happened since the last call.
func take_events() -> Array[Dictionary]:
	var taken: Array[Dictionary] = []
	_mutex.lock()
	if not _events.is_empty():
		taken = _events
		_events = []
	_mutex.unlock()
	return taken


func _run() -> void:
	while true:
		_mutex.lock()
		var is_stopping := _is_stopping
		var num_untaken := _events.size()
		_mutex.unlock()
		if is_stopping:
			break
		var now_ms := Time.get_ticks_msec()
		if _process != null:
			_step_process()
		if _dealer == null:
			_try_to_connect(now_ms)
		elif num_untaken < MAX_UNTAKEN:
			_step_link(now_ms)
		var is_busy := now_ms < _busy_until_ms
		OS.delay_usec(BUSY_SLEEP_US if is_busy else IDLE_SLEEP_US)
	_end()


func _step_process() -> void:
	_process.step()
	for line in _process.take_log():
		_tell({"kind": LOG, "line": line})
	if not _process.problem.is_empty():
		_tell({"kind": OFFLINE, "reason": _process.problem})
		_process.problem = ""
	if _process.endpoint != _endpoint:
		_endpoint = _process.endpoint
		_back_off_ms = FIRST_BACK_OFF_MS
		_next_try_ms = 0
		_is_refused = false
		if _dealer != null:
			_lose("the sidecar ended")


func _try_to_connect(now_ms: int) -> void:
	if _endpoint.is_empty() or _is_refused or now_ms < _next_try_ms:
		return
	_dealer = Dealer.new()
	_dealer.connect_to(_endpoint)
	_hello_id = 0
	_busy_until_ms = now_ms + BUSY_MS


func _step_link(now_ms: int) -> void:
	for frame in _dealer.step():
		_busy_until_ms = now_ms + BUSY_MS
		_take_frame(frame)
		if _dealer == null:
			return
	if _dealer.state == Dealer.State.CLOSED:
		_lose(_dealer.problem)
		return
	if _dealer.state != Dealer.State.OPEN:
		return
	if _hello_id == 0:
		_say_hello(_session_id)
	elif not _is_linked and now_ms - _hello_ms > HELLO_TIMEOUT_MS:
		_lose("no answer to hello within %d ms" % HELLO_TIMEOUT_MS)
		return
	_send_queued(now_ms)


func _say_hello(resume: String) -> void:
	var body := {"protocol": PROTOCOL, "token": _token, "client": _client}
	if not resume.is_empty():
		body["resume"] = resume
	_mutex.lock()
	_last_id += 1
	_hello_id = _last_id
	_mutex.unlock()
	_hello_ms = Time.get_ticks_msec()
	_dealer.send(Msgpack.encode({"type": "hello", "id": _hello_id, "body": body}))


func _send_queued(now_ms: int) -> void:
	if _dealer.num_unsent() > MAX_UNSENT_BYTES:
		return
	var waiting: Array[Dictionary] = []
	_mutex.lock()
	if not _outbox.is_empty():
		waiting = _outbox
		_outbox = []
	_mutex.unlock()
	if waiting.is_empty():
		return
	_busy_until_ms = now_ms + BUSY_MS
	for message in waiting:
		if message["epoch"] != _epoch or not _is_linked:
			continue
		var error := PackedStringArray()
		var frame := Msgpack.encode(_envelope(message), error)
		if error.is_empty():
			_dealer.send(frame)
		else:
			var text := "%s: %s" % [message["type"], error[0]]
			var id: int = message["id"]
			_tell({"kind": MESSAGE, "message": _own_error(id, "bad_body", text)})
	for frame in _dealer.step():
		_take_frame(frame)
		if _dealer == null:
			return


func _take_frame(frame: PackedByteArray) -> void:
	var error := PackedStringArray()
	var value: Variant = Msgpack.decode(frame, error)
	var problem := error[0] if not error.is_empty() else MessageCheck.problem_of(value)
	if not problem.is_empty():
		_pass_over(value, "a frame of %d bytes: %s" % [frame.size(), problem])
		return
	var message: Dictionary = value
	if _is_linked:
		_tell({"kind": MESSAGE, "message": message})
		var body: Dictionary = message["body"]
		if message["type"] == "error" and body["code"] == "hello_first":
			_lose("the sidecar cut this game off: it left too much unread")
	elif message.get("reply_to") == _hello_id:
		_take_answer_to_hello(message)


## Whoever waits for the answer that it may be is not left waiting.
func _pass_over(value: Variant, what: String) -> void:
	_tell({"kind": LOG, "line": "passing over " + what})
	var message: Dictionary = value if value is Dictionary else {}
	if _is_linked and message.get("reply_to") is int:
		var reply_to: int = message["reply_to"]
		_tell({"kind": MESSAGE, "message": _own_error(reply_to, "bad_body", what)})


func _take_answer_to_hello(message: Dictionary) -> void:
	var body: Dictionary = message["body"]
	if message["type"] == "welcome":
		_session_id = body["session_id"]
		_back_off_ms = FIRST_BACK_OFF_MS
		_mutex.lock()
		_epoch += 1
		_is_linked = true
		_events.append({"kind": CONNECTED, "message": message, "epoch": _epoch})
		_mutex.unlock()
	elif message["type"] != "error":
		_lose("the sidecar answered hello with %s" % message["type"])
	elif body["code"] == "unknown_session" and not _session_id.is_empty():
		_session_id = ""
		_say_hello("")
	else:
		_is_refused = body["code"] in FATAL
		_tell({"kind": REFUSED, "body": body})
		_lose("the sidecar refused hello: %s" % body["message"])


func _lose(why: String) -> void:
	_dealer.close(why)
	_dealer = null
	_next_try_ms = Time.get_ticks_msec() + _back_off_ms
	_back_off_ms = mini(2 * _back_off_ms, MAX_BACK_OFF_MS)
	_mutex.lock()
	_epoch += 1
	_outbox.clear()
	_mutex.unlock()
	if _is_linked:
		_is_linked = false
		_tell({"kind": LOST, "reason": why})
	elif why != _last_loss:
		_tell({"kind": OFFLINE, "reason": why})
	_last_loss = why


func _end() -> void:
	if _dealer != null:
		if _is_linked:
			_mutex.lock()
			_last_id += 1
			_mutex.unlock()
			_dealer.send(Msgpack.encode({"type": "goodbye", "id": _last_id, "body": {}}))
			var until_ms := Time.get_ticks_msec() + GOODBYE_MS
			while _dealer.num_unsent() > 0 and Time.get_ticks_msec() < until_ms:
				_dealer.step()
		_dealer.close()
		_dealer = null
	if _process != null:
		_process.end()


## Of a log that nobody takes the rest is dropped; messages end by not being read.
func _tell(event: Dictionary) -> void:
	_mutex.lock()
	if event["kind"] != LOG or _events.size() < MAX_UNTAKEN:
		_events.append(event)
	_mutex.unlock()


static func _envelope(message: Dictionary) -> Dictionary:
	var envelope := {"type": message["type"], "id": message["id"]}
	if not str(message["npc_id"]).is_empty():
		envelope["npc_id"] = message["npc_id"]
	envelope["body"] = message["body"]
	return envelope


static func _own_error(reply_to: int, code: String, text: String) -> Dictionary:
	var body := {"code": code, "message": text, "hint": "", "retryable": false}
	return {"type": "error", "id": 0, "reply_to": reply_to, "body": body}
