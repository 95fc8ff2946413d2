extends "res://tests/test_case.gd"
## The sidecar's process, with a shell in its place: crash loops and strange output.

const SidecarProcess := preload("res://addons/npc_brain/sidecar/sidecar_process.gd")
const LISTENING := """echo '{"event": "listening", "endpoint": "tcp://127.0.0.1:9"}'; """

var _process: SidecarProcess


func clean_up() -> void:
	_process.end()
	await super()


func test_a_crash_loop_slows_down() -> void:
	var lines := await _log_of(LISTENING + "exit 3", 2.0)
	var num_starts := 0
	for line in lines:
		num_starts += int(line.begins_with("started"))
	# After pauses of 250, 500 and 1000 ms, and the time to notice the end.
	check(num_starts >= 2 and num_starts <= 4, "%d starts in 2 s" % num_starts)
	check(_process.problem.contains("exit code 3"), "problem: %s" % _process.problem)


func test_a_letter_in_two_pieces_is_read() -> void:
	var lines := await _log_of("printf 'caf\\303'; sleep 0.2; printf '\\251\\n'; sleep 9", 0.5)
	check_equal(lines[-1], "café", "line")


func test_an_endless_line_is_cut() -> void:
	var lines := await _log_of("head -c 300000 /dev/zero | tr '\\0' x; sleep 9", 0.6)
	check(lines.size() > 3, "it comes in pieces: %d" % lines.size())
	check(_process._partial[0].size() < SidecarProcess._MAX_LINE_BYTES, "what is kept is bounded")


func test_it_listens_where_it_says_and_not_twice() -> void:
	var lines := await _log_of(
		"echo '{}'; echo '{\"event\": 1}'; %s %s sleep 9" % [LISTENING, LISTENING], 0.3
	)
	check_equal(_process.endpoint, "tcp://127.0.0.1:9", "endpoint")
	check_equal(lines.size(), 4, "the rest is its log: %s" % "\n".join(lines))


func _log_of(commands: String, for_s: float) -> PackedStringArray:
	_process = SidecarProcess.new("/bin/sh", ["-c", commands])
	var lines := PackedStringArray()
	var until_ms := Time.get_ticks_msec() + roundi(for_s * 1000)
	while Time.get_ticks_msec() < until_ms:
		_process.step()
		lines.append_array(_process.take_log())
		await get_tree().process_frame
	return lines
