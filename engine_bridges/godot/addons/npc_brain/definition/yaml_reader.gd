extends RefCounted
## Reads the YAML of NPC files: the same subset as the sidecar's own reader.
##
## Maps, lists, text, numbers, booleans and null, in block and flow style; every key is text, and
## [code]on[/code], [code]off[/code], [code]yes[/code], [code]no[/code] are text. Tags, anchors and
## aliases are refused. Knows nothing of NPCs. Source: YAML 1.2.2, sections 7, 8 and 10.3.2.

const FlowReader := preload("res://addons/npc_brain/definition/yaml_flow_reader.gd")
const MAX_DEPTH := 48

## What is wrong with the text, with its line; empty when nothing is.
var problem := ""

var _lines: PackedStringArray
var _at := 0
var _depth := 0


## The value of a document; null, or what could be read, when there is a [member problem].
func parse(text: String) -> Variant:
	problem = ""
	_depth = 0
	_at = 0
	_lines = text.trim_prefix("\ufeff").replace("\r\n", "\n").split("\n")
	_skip_blank()
	if _at < _lines.size() and _lines[_at] == "---":
		_at += 1
	var value: Variant = _node(0)
	_skip_blank()
	if problem.is_empty() and _at < _lines.size():
		_fail("does not belong to what stands above it")
	return value


func _node(min_indent: int) -> Variant:
	_skip_blank()
	if _at >= _lines.size() or not problem.is_empty():
		return null
	var indent := _indent(_lines[_at])
	if indent < min_indent:
		return null
	_depth += 1
	var value: Variant = null
	var line := _lines[_at].substr(indent)
	if _depth > MAX_DEPTH:
		_fail("nested deeper than %d" % MAX_DEPTH)
	elif line.begins_with("\t"):
		_fail("indented with a tab; use spaces")
	elif _is_item(line):
		value = _sequence(indent)
	elif _key_length(line) >= 0:
		value = _mapping(indent)
	else:
		value = _value(line, min_indent - 1)
	_depth -= 1
	return value


func _sequence(indent: int) -> Array:
	var items: Array = []
	while problem.is_empty():
		_skip_blank()
		if _at >= _lines.size() or _indent(_lines[_at]) != indent:
			break
		var line := _lines[_at].substr(indent)
		if not _is_item(line):
			break
		var rest := line.substr(1)
		if _without_comment(rest).is_empty():
			_at += 1
			items.append(_node(indent + 1))
		else:
			# What follows the dash is a node of its own, which begins in its column.
			_lines[_at] = " ".repeat(indent + 1) + rest
			items.append(_node(indent + 1))
	return items


func _mapping(indent: int) -> Dictionary:
	var map: Dictionary = {}
	while problem.is_empty():
		_skip_blank()
		if _at >= _lines.size() or _indent(_lines[_at]) != indent:
			break
		var line := _lines[_at].substr(indent)
		var length := _key_length(line)
		if length < 0 or _is_item(line):
			break
		var key := _key(line.substr(0, length))
		var rest := line.substr(length + 1).strip_edges(true, false)
		if map.has(key):
			_fail("the key `%s` is there already" % key)
			break
		if _without_comment(rest).is_empty():
			_at += 1
			map[key] = _block_value(indent)
		else:
			map[key] = _value(rest, indent)
	return map


## The value below a key: indented deeper, or a list as deep as the key.
func _block_value(indent: int) -> Variant:
	_skip_blank()
	if _at < _lines.size() and _indent(_lines[_at]) == indent:
		if _is_item(_lines[_at].substr(indent)):
			return _sequence(indent)
	return _node(indent + 1)


## The value that begins with [param rest] on this line; its further lines are deeper than
## [param indent].
func _value(rest: String, indent: int) -> Variant:
	match rest[0]:
		"|", ">":
			return _block_scalar(rest, indent)
		"{", "[", '"', "'":
			return _flow(rest)
		"&", "*", "!":
			_fail("anchors, aliases and tags are not allowed")
			return null
		"@", "`", "%", ",", "]", "}":
			_fail("text that begins with %s must be in quotes" % rest[0])
			return null
	var text := _without_comment(rest)
	var has_comment := text.length() < rest.strip_edges().length()
	_at += 1
	while _at < _lines.size() and not has_comment:
		var line := _lines[_at].strip_edges()
		if line.is_empty():
			if not _continues_after_blank(indent):
				break
			text += "\n"
		elif _indent(_lines[_at]) <= indent or line.begins_with("#"):
			break
		else:
			var more := _without_comment(line)
			has_comment = more.length() < line.length()
			text += more if text.ends_with("\n") else " " + more
		_at += 1
	if text.contains(": ") or text.ends_with(":"):
		_fail("`: ` in text; put it in quotes")
	return FlowReader.resolved(text)


func _continues_after_blank(indent: int) -> bool:
	for index in range(_at, _lines.size()):
		var line := _lines[index].strip_edges()
		if not line.is_empty():
			return _indent(_lines[index]) > indent and not line.begins_with("#")
	return false


func _flow(rest: String) -> Variant:
	var reader := FlowReader.new(rest, _next_line)
	var value: Variant = reader.read()
	if not reader.problem.is_empty():
		_fail(reader.problem)
	elif not _without_comment(reader.remainder()).is_empty():
		_fail("`%s` after the end of a value" % reader.remainder().strip_edges())
	_at += 1
	return value


## Goes on to the next line for a flow value, and gives it; null at the end of the text.
func _next_line() -> Variant:
	_at += 1
	if _at >= _lines.size():
		return null
	return _lines[_at]


func _block_scalar(header: String, indent: int) -> String:
	var is_folded := header.begins_with(">")
	var chomp := "-" if header.contains("-") else ("+" if header.contains("+") else "")
	var wanted := 0
	for character in _without_comment(header):
		if character.is_valid_int():
			wanted = indent + character.to_int()
	_at += 1
	var rows := PackedStringArray()
	while _at < _lines.size():
		var line := _lines[_at]
		if not line.strip_edges().is_empty():
			if wanted == 0:
				wanted = _indent(line)
			if _indent(line) < wanted or wanted <= indent:
				break
		rows.append(line.substr(wanted) if wanted > 0 and line.length() > wanted else "")
		_at += 1
	var num_blank := 0
	while not rows.is_empty() and rows[-1].is_empty():
		rows.remove_at(rows.size() - 1)
		num_blank += 1
	var text := _folded(rows) if is_folded else "\n".join(rows)
	var is_cut_short := _at == _lines.size() and num_blank == 0
	if chomp == "-" or is_cut_short or (rows.is_empty() and chomp != "+"):
		return text
	return text + "\n" + ("\n".repeat(num_blank) if chomp == "+" else "")


## Lines joined by spaces, but for blank lines and those that are indented further.
func _folded(rows: PackedStringArray) -> String:
	var text := ""
	var num_breaks := 0
	var was_deeper := false
	for index in rows.size():
		var row := rows[index]
		if row.is_empty():
			num_breaks += 1
			continue
		var is_deeper := row.begins_with(" ") or row.begins_with("\t")
		if index == num_breaks:
			text += "\n".repeat(num_breaks)
		elif is_deeper or was_deeper:
			text += "\n".repeat(num_breaks + 1)
		else:
			text += " " if num_breaks == 0 else "\n".repeat(num_breaks)
		text += row
		was_deeper = is_deeper
		num_breaks = 0
	return text


## How long the key is that a line begins with, quotes included; -1 when it begins with none.
func _key_length(line: String) -> int:
	if line[0] == '"' or line[0] == "'":
		var end := FlowReader.quote_end(line)
		if end < 0:
			return -1
		var after := line.substr(end)
		var gap := after.length() - after.strip_edges(true, false).length()
		return end + gap if after.strip_edges(true, false).begins_with(":") else -1
	if line[0] == "{" or line[0] == "[" or line[0] == "#":
		return -1
	var colon := line.find(":")
	while colon >= 0:
		if colon + 1 == line.length() or line[colon + 1] == " " or line[colon + 1] == "\t":
			var comment := line.find(" #")
			return -1 if comment >= 0 and comment < colon else colon
		colon = line.find(":", colon + 1)
	return -1


func _key(written: String) -> String:
	if written.begins_with('"') or written.begins_with("'"):
		return FlowReader.unquoted(written.strip_edges())
	if written.begins_with("&") or written.begins_with("*") or written.begins_with("!"):
		_fail("anchors, aliases and tags are not allowed")
	return written.strip_edges()


func _skip_blank() -> void:
	while _at < _lines.size():
		var line := _lines[_at].strip_edges()
		if not line.is_empty() and not line.begins_with("#"):
			return
		_at += 1


func _fail(what: String) -> void:
	if problem.is_empty():
		problem = "line %d: %s" % [_at + 1, what]


static func _is_item(line: String) -> bool:
	return line == "-" or line.begins_with("- ") or line.begins_with("-\t")


static func _indent(line: String) -> int:
	return line.length() - line.lstrip(" ").length()


static func _without_comment(text: String) -> String:
	if text.strip_edges().begins_with("#"):
		return ""
	var comment := text.find(" #")
	return (text if comment < 0 else text.substr(0, comment)).strip_edges()
