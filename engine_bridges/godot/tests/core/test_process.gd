extends "res://tests/test_case.gd"
## The sidecar's process, with a shell in its place: crash loops and strange output.

const SidecarProcess := preload("res://addons/npc_brain/sidecar/sidecar_process.gd")
const LISTENING := """echo '{"event": "listening", "endpoint": "tcp://127.0.0.1:9"}'; """

var _process: SidecarProcess
var _lines: Array[String] = []


func clean_up() -> void:
	_process.end()
	await super()


func test_a_crash_loop_slows_down() -> void:
	var begun_ms := Time.get_ticks_msec()
	var lines := await _log_of(LISTENING + "exit 3", _has_lines("started", 4))
	var pauses: Array = [250, 500, 1000]
	var wanted := pauses.map(func(ms: int) -> String: return "starting it again in %d ms" % ms)
	check_equal(Array(lines.filter(_is_pause)), wanted, "pauses")
	var took_ms := Time.get_ticks_msec() - begun_ms
	check(took_ms >= 1750, "four starts in %d ms" % took_ms)
	check(_process.problem.contains("exit code 3"), "problem: %s" % _process.problem)


func test_a_letter_in_two_pieces_is_read() -> void:
	var lines := await _log_of(
		"printf 'caf\\303'; sleep 0.2; printf '\\251\\n'; exec sleep 300", _has_lines("caf", 1)
	)
	check_equal(lines[-1], "café", "line")


func test_an_endless_line_is_cut() -> void:
	var lines := await _log_of(
		"head -c 300000 /dev/zero | tr '\\0' x; exec sleep 300", _has_lines("xx", 4)
	)
	check(lines.size() > 3, "it comes in pieces: %d" % lines.size())
	check(_process._partial[0].size() < SidecarProcess._MAX_LINE_BYTES, "what is kept is bounded")


func test_it_listens_where_it_says_and_not_twice() -> void:
	var lines := await _log_of(
		"echo '{}'; echo '{\"event\": 1}'; %s %s exec sleep 300" % [LISTENING, LISTENING],
		_has_lines("{", 3)
	)
	check_equal(_process.endpoint, "tcp://127.0.0.1:9", "endpoint")
	check_equal(lines.size(), 4, "the rest is its log: %s" % "\n".join(lines))


func _log_of(commands: String, is_enough: Callable) -> Array[String]:
	_process = SidecarProcess.new("/bin/sh", ["-c", commands])
	await until(
		func() -> bool:
			_process.step()
			_lines.append_array(Array(_process.take_log()))
			return is_enough.call(_lines),
		"the log of %s" % commands
	)
	return _lines


static func _has_lines(start: String, num: int) -> Callable:
	return func(lines: Array[String]) -> bool:
		return (
			lines.filter(func(line: String) -> bool: return line.begins_with(start)).size() >= num
		)


static func _is_pause(line: String) -> bool:
	return line.begins_with("starting it again")
