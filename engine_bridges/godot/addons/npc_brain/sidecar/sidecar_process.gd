extends RefCounted
## The sidecar's process: started with a token, read, watched, started again, and ended. All calls
## come from the I/O thread; nothing here waits for the process.

const FIRST_BACK_OFF_MS := 250
const MAX_BACK_OFF_MS := 10000
## What has listened for so long before it ended is started again after the first pause.
const STEADY_MS := 10000
const WATCH_MS := 100
const READ_MS := 10
const TOKEN_BYTES := 32
const TOKEN_VARIABLE := "NPC_BRAIN_TOKEN"
const _CHUNK_BYTES := 16384
## A longer line is cut.
const _MAX_LINE_BYTES := 65536
const _NEWLINE := 10

## Setting the environment and starting a process are one step for all clients of this program.
static var _spawning := Mutex.new()

## Where it listens; empty while it does not.
var endpoint := ""
## Why it could not be started or has ended; emptied by who has read it.
var problem := ""
## What clients must show.
var token := Crypto.new().generate_random_bytes(TOKEN_BYTES).hex_encode()

var _program: String
var _arguments: PackedStringArray
var _pid := 0
var _listening_pid := 0
var _pipes: Array[FileAccess] = []
var _partial: Array[PackedByteArray] = []
var _log := PackedStringArray()
var _next_start_ms := 0
var _listening_ms := 0
var _back_off_ms := FIRST_BACK_OFF_MS
var _next_watch_ms := 0
var _next_read_ms := 0


func _init(program: String, arguments: PackedStringArray) -> void:
	_program = program
	_arguments = arguments


## Does what is due: starts it, reads its output, notices its end.
func step() -> void:
	var now_ms := Time.get_ticks_msec()
	if _pid == 0:
		if now_ms >= _next_start_ms:
			_start(now_ms)
		return
	if now_ms >= _next_read_ms:
		_next_read_ms = now_ms + READ_MS
		_read()
	if now_ms >= _next_watch_ms:
		_next_watch_ms = now_ms + WATCH_MS
		if not OS.is_process_running(_pid):
			_read()
			_note_end(now_ms)


## The lines that it has written since the last call.
func take_log() -> PackedStringArray:
	var lines := _log
	if not lines.is_empty():
		_log = PackedStringArray()
	return lines


## Ends the process, at once; returns when it is gone.
func end() -> void:
	if _pid == 0:
		return
	OS.kill(_pid)
	# A launcher of a virtual environment may have a child that is the sidecar.
	if _listening_pid != 0 and _listening_pid != _pid:
		OS.kill(_listening_pid)
	_forget()


func _start(now_ms: int) -> void:
	_spawning.lock()
	OS.set_environment(TOKEN_VARIABLE, token)
	var started := OS.execute_with_pipe(_program, _arguments, false)
	OS.unset_environment(TOKEN_VARIABLE)
	_spawning.unlock()
	if started.is_empty():
		problem = "%s could not be started" % _program
		_delay_start(now_ms)
		return
	_pid = started["pid"]
	_pipes.assign([started["stdio"], started["stderr"]])
	_partial = [PackedByteArray(), PackedByteArray()]
	_log.append("started %s %s" % [_program, " ".join(_arguments)])


func _read() -> void:
	for index in _pipes.size():
		var bytes := _partial[index]
		while bytes.size() < _MAX_LINE_BYTES:
			var data := _pipes[index].get_buffer(_CHUNK_BYTES)
			if data.is_empty():
				break
			bytes.append_array(data)
		# Whole lines only, as a character may be in two pieces.
		var num_whole := bytes.rfind(_NEWLINE) + 1
		if num_whole == 0 and bytes.size() >= _MAX_LINE_BYTES:
			num_whole = bytes.size()
		_partial[index] = bytes.slice(num_whole)
		var text := bytes.slice(0, num_whole).get_string_from_utf8()
		for line in text.split("\n", false):
			if index > 0 or not _take_listening(line):
				_log.append(line.strip_edges())


func _take_listening(line: String) -> bool:
	if not endpoint.is_empty() or not line.begins_with("{"):
		return false
	var told: Variant = JSON.parse_string(line)
	if not told is Dictionary:
		return false
	var map: Dictionary = told
	if str(map.get("event")) != "listening":
		return false
	endpoint = str(map.get("endpoint", ""))
	_listening_pid = int(str(map.get("pid", 0)).to_float())
	_listening_ms = Time.get_ticks_msec()
	return true


func _note_end(now_ms: int) -> void:
	var last := _log[-1] if not _log.is_empty() else ""
	problem = "the sidecar ended (exit code %d) %s" % [OS.get_process_exit_code(_pid), last]
	if not endpoint.is_empty() and now_ms - _listening_ms > STEADY_MS:
		_back_off_ms = FIRST_BACK_OFF_MS
	_forget()
	_delay_start(now_ms)


func _delay_start(now_ms: int) -> void:
	_log.append("starting it again in %d ms" % _back_off_ms)
	_next_start_ms = now_ms + _back_off_ms
	_back_off_ms = mini(2 * _back_off_ms, MAX_BACK_OFF_MS)


func _forget() -> void:
	for pipe in _pipes:
		pipe.close()
	_pipes.clear()
	_pid = 0
	_listening_pid = 0
	endpoint = ""
