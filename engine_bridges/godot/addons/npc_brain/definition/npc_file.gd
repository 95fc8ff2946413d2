extends RefCounted
## What the bridge reads of an NPC file itself, so that an NPC has something to say without a
## sidecar: who it is, its greeting and fallback lines, and how its states nest.
##
## It is lenient: mistakes in a file are the sidecar's to tell ([code]npc-brain validate[/code]).

const Finder := preload("res://addons/npc_brain/sidecar/sidecar_finder.gd")
const NpcFile := preload("res://addons/npc_brain/definition/npc_file.gd")
const YamlReader := preload("res://addons/npc_brain/definition/yaml_reader.gd")
## The key of [code]lines.fallback[/code] for all states that have no lines of their own.
const DEFAULT_FALLBACK := "default"
const MAX_FILE_BYTES := 512 * 1024

static var _read: Dictionary[String, NpcFile] = {}

## The NPC's default id: the file's stem when the file does not say.
var id := ""
## The NPC's name.
var name := ""
## Lines said to someone's first words.
var greeting := PackedStringArray()
## Fallback lines by state.
var fallback: Dictionary[String, PackedStringArray] = {}
## The innermost state that the NPC begins in.
var initial := ""
## First values of the blackboard.
var blackboard: Dictionary = {}
## Why the file, or part of it, could not be read; empty when all is well.
var problem := ""

var _parents: Dictionary[String, String] = {}


## Reads a file, once: later calls with the same path give the same object.
static func at(path: String) -> NpcFile:
	var known: NpcFile = _read.get(path)
	if known == null or Engine.is_editor_hint():
		known = NpcFile.new()
		known._read_file(path)
		_read[path] = known
	return known


## Reads a definition that is given as a map.
static func from_definition(definition: Dictionary) -> NpcFile:
	var file := NpcFile.new()
	file._take(definition)
	return file


## The fallback lines in a state: its own, else those of the states around it, else the default.
func fallback_lines(state: String) -> PackedStringArray:
	while not state.is_empty():
		if fallback.has(state):
			return fallback[state]
		state = _parents.get(state, "")
	return fallback.get(DEFAULT_FALLBACK, PackedStringArray())


func _read_file(path: String) -> void:
	if path.is_empty():
		problem = "no NPC file is chosen"
		return
	id = path.get_file().get_basename()
	var beside := path
	if not FileAccess.file_exists(path):
		# NPC files from outside the project lie beside an exported game.
		beside = Finder.packed_dir().path_join("npcs").path_join(path.get_file())
	var file := FileAccess.open(beside, FileAccess.READ)
	if file == null:
		problem = "%s cannot be read: %s" % [path, error_string(FileAccess.get_open_error())]
		return
	if file.get_length() > MAX_FILE_BYTES:
		problem = "%s is larger than %d bytes" % [path, MAX_FILE_BYTES]
		return
	var reader := YamlReader.new()
	var value: Variant = reader.parse(file.get_as_text())
	if not reader.problem.is_empty():
		problem = "%s: %s" % [path, reader.problem]
	if problem.is_empty() and not value is Dictionary:
		problem = "%s is not an NPC file: it has no keys" % path
	_take(_map(value))


func _take(value: Dictionary) -> void:
	var persona := _map(value.get("persona"))
	var lines := _map(value.get("lines"))
	id = _text(value.get("id"), id)
	name = _text(persona.get("name"), id.capitalize())
	greeting = _alternatives(lines.get("greeting"))
	var by_state := _map(lines.get("fallback"))
	for state: String in by_state:
		fallback[state] = _alternatives(by_state[state])
	blackboard = _map(value.get("blackboard"))
	initial = _text(value.get("initial"), "")
	_take_states(_map(value.get("states")), "")


func _take_states(states: Dictionary, parent: String) -> void:
	for state: String in states:
		var body := _map(states[state])
		if not parent.is_empty():
			_parents[state] = parent
		if state == initial:
			initial = _text(body.get("initial"), initial)
		_take_states(_map(body.get("states")), state)


static func _map(value: Variant) -> Dictionary:
	if value is Dictionary:
		return value
	return {}


static func _text(value: Variant, otherwise: String) -> String:
	if value is String:
		return value
	return otherwise


static func _alternatives(value: Variant) -> PackedStringArray:
	var given: Array = value if value is Array else [value]
	var lines := PackedStringArray()
	for line: Variant in given:
		if line is String:
			lines.append(str(line))
	return lines
