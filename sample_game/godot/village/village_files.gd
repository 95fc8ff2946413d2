class_name VillageFiles
extends RefCounted
## The village's files: those of the terminal game, through links in [code]data/[/code].

const FOLDER := "res://data"


## The path of a file, as [code]world.json[/code] or [code]npcs/mira.yaml[/code].
static func path_of(file: String) -> String:
	return FOLDER.path_join(file)


## What a JSON file says, with whole numbers as integers; empty when it cannot be read.
static func read_json(file: String) -> Dictionary:
	var text := FileAccess.get_file_as_string(path_of(file))
	var parsed: Variant = JSON.parse_string(text)
	if not parsed is Dictionary:
		push_error("%s cannot be read" % path_of(file))
		return {}
	return _with_integers(parsed)


## The maps of a file with one in JSON on each line.
static func read_lines(path: String) -> Array[Dictionary]:
	var maps: Array[Dictionary] = []
	for line in FileAccess.get_file_as_string(path).split("\n", false):
		maps.append(_with_integers(JSON.parse_string(line)))
	return maps


static func _with_integers(value: Variant) -> Variant:
	if value is Dictionary:
		var map: Dictionary = value
		for key: Variant in map:
			map[key] = _with_integers(map[key])
	elif value is Array:
		var items: Array = value
		for index in items.size():
			items[index] = _with_integers(items[index])
	elif value is float:
		var number: float = value
		if number == roundf(number):
			return roundi(number)
	return value
