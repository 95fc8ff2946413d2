extends RefCounted
## Finds something to say without a sidecar: a greeting to whoever speaks first, then the authored
## fallback lines of the state in turn.

const NpcFile := preload("res://addons/npc_brain/definition/npc_file.gd")
## What is said when an author left nothing to say.
const WORDLESS := "…"

static var _placeholder := RegEx.create_from_string("\\{([a-z][a-z0-9_]*)\\}")

var _file: NpcFile
var _met: Dictionary[String, bool] = {}
var _num_said: Dictionary[String, int] = {}


func _init(file: NpcFile) -> void:
	_file = file


## The next line for [param speaker_id] in [param state]; never empty.
## [param values] fill in placeholders, beside the NPC's own name.
func next_line(state: String, speaker_id: String, values: Dictionary) -> String:
	var known := values.merged({"name": _file.name})
	if not _met.has(speaker_id):
		_met[speaker_id] = true
		var greeting := _next("", _file.greeting, known)
		if not greeting.is_empty():
			return greeting
	var line := _next(state, _file.fallback_lines(state), known)
	return WORDLESS if line.is_empty() else line


## Notes that the NPC has met someone, who needs no greeting any more.
func note_met(speaker_id: String) -> void:
	_met[speaker_id] = true


func _next(key: String, lines: PackedStringArray, values: Dictionary) -> String:
	for _attempt in lines.size():
		var index: int = _num_said.get(key, 0)
		_num_said[key] = index + 1
		var line := _filled(lines[index % lines.size()], values)
		if not line.is_empty():
			return line
	return ""


## The line with its placeholders filled in; empty when a value is missing.
static func _filled(line: String, values: Dictionary) -> String:
	var filled := ""
	var end := 0
	for found in _placeholder.search_all(line):
		var key := found.get_string(1)
		if not values.has(key):
			return ""
		filled += line.substr(end, found.get_start() - end) + str(values[key])
		end = found.get_end()
	return filled + line.substr(end)
