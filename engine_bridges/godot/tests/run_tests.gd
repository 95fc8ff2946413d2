extends Node
## Runs the tests: every method [code]test_…[/code] of every [code]test_*.gd[/code] below this
## folder, in order; with [code]-- TEXT…[/code] only those whose path or name has one of the texts.
##
## Prints a line a test and "N passed, N failed". A test fails when [method TestCase.check] does, or
## when any script error is logged meanwhile. Nothing here waits for ever: see TIMEOUT_S.

const TIMEOUT_S := 300.0
## With NPC_BRAIN_FULL=1, where counts are as written.
const FULL_TIMEOUT_S := 1800.0
const TestCase := preload("res://tests/test_case.gd")

var _errors := ErrorCounter.new()


func _ready() -> void:
	OS.add_logger(_errors)
	var num_passed := 0
	var num_failed := 0
	for path in _scripts("res://tests"):
		if not _is_wanted(path + FileAccess.get_file_as_string(path)):
			continue
		var script: GDScript = load(path)
		if script == null or not script.can_instantiate():
			num_failed += 1
			print("FAILED ", path, ": it cannot be loaded")
			continue
		for method in script.get_script_method_list():
			var test_name: String = method["name"]
			var full_name := "%s::%s" % [path, test_name]
			if not test_name.begins_with("test_") or not _is_wanted(full_name):
				continue
			var problems := await _run(script, test_name)
			num_passed += int(problems.is_empty())
			num_failed += int(not problems.is_empty())
			print("ok     " if problems.is_empty() else "FAILED ", full_name)
			for problem in problems:
				print("    ", problem)
	print("%d passed, %d failed" % [num_passed, num_failed])
	OS.remove_logger(_errors)
	get_tree().quit(0 if num_failed == 0 and num_passed > 0 else 1)


func _run(script: GDScript, test_name: String) -> PackedStringArray:
	_errors.take()
	var made: Object = script.new()
	if not made is TestCase:
		return PackedStringArray(["it does not extend test_case.gd"])
	var test: TestCase = made
	add_child(test)
	var timeout_s := FULL_TIMEOUT_S if TestCase.is_full() else TIMEOUT_S
	var guard := get_tree().create_timer(timeout_s, true, false, true)
	var run := Run.new()
	run.start.call(test, test_name)
	while not run.has_ended and guard.time_left > 0.0:
		await get_tree().process_frame
	var problems := test.problems
	if not run.has_ended:
		problems.append("not done after %s s" % timeout_s)
	await test.clean_up()
	test.queue_free()
	await get_tree().process_frame
	problems.append_array(_errors.take())
	return problems


func _is_wanted(full_name: String) -> bool:
	var wanted := OS.get_cmdline_user_args()
	if wanted.is_empty():
		return true
	for text in wanted:
		if full_name.contains(text):
			return true
	return false


static func _scripts(folder: String) -> PackedStringArray:
	var paths := PackedStringArray()
	for file in DirAccess.get_files_at(folder):
		if file.begins_with("test_") and file.ends_with(".gd") and file != "test_case.gd":
			paths.append(folder.path_join(file))
	for sub in DirAccess.get_directories_at(folder):
		paths.append_array(_scripts(folder.path_join(sub)))
	return paths


## A test under way.
class Run:
	extends RefCounted
	var has_ended := false

	func start(test: TestCase, name: String) -> void:
		@warning_ignore("redundant_await")
		await test.call(name)
		has_ended = true


## Collects what Godot logs as errors, from any thread.
class ErrorCounter:
	extends Logger
	var _mutex := Mutex.new()
	var _lines := PackedStringArray()

	func _log_error(
		function: String,
		file: String,
		line: int,
		code: String,
		rationale: String,
		_editor_notify: bool,
		error_type: int,
		_backtraces: Array[ScriptBacktrace]
	) -> void:
		if error_type == ERROR_TYPE_WARNING:
			return
		_mutex.lock()
		_lines.append("error in %s (%s:%d): %s %s" % [function, file, line, code, rationale])
		_mutex.unlock()

	## The errors since the last call.
	func take() -> PackedStringArray:
		_mutex.lock()
		var lines := _lines
		_lines = PackedStringArray()
		_mutex.unlock()
		return lines
