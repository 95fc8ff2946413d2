extends RefCounted
## Reads one value of YAML's flow style, as in [code]{to: away, do: [{bark: "Hey!"}]}[/code].
##
## Source: YAML 1.2.2, sections 7.3, 7.4 and 10.3.2.

const MAX_DEPTH := 48
const _ESCAPES := {
	"a": "\u0007",
	"b": "\b",
	"t": "\t",
	"n": "\n",
	"v": "\v",
	"f": "\f",
	"r": "\r",
	"e": "\u001b",
	" ": " ",
	'"': '"',
	"/": "/",
	"\\": "\\",
	"N": "\u0085",
	"_": "\u00a0",
	"L": "\u2028",
	"P": "\u2029",
	"\t": "\t"
}
const _HEX_LENGTHS := {"x": 2, "u": 4, "U": 8}

static var _int := RegEx.create_from_string("^[-+]?[0-9]{1,18}$")
static var _radix := RegEx.create_from_string("^(0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15})$")
static var _float := RegEx.create_from_string(
	"^[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?$"
)

## What is wrong; empty when nothing is.
var problem := ""

var _text: String
var _at := 0
var _depth := 0
var _more: Callable


## [param more] gives the next line, or null at the end of the text.
func _init(text: String, more: Callable) -> void:
	_text = text
	_more = more


## The value that the text begins with.
func read() -> Variant:
	_skip_space()
	if _at >= _text.length():
		_fail("a value is missing")
		return null
	match _text[_at]:
		"{":
			return _map()
		"[":
			return _list()
		'"', "'":
			return _quoted()
	return resolved(_plain())


## What stands after the value on its last line.
func remainder() -> String:
	return _text.substr(_at)


## A plain scalar's value: null, a boolean, a number, or the text itself.
static func resolved(text: String) -> Variant:
	match text:
		"", "~", "null", "Null", "NULL":
			return null
		"true", "True", "TRUE":
			return true
		"false", "False", "FALSE":
			return false
	if not text[0] in "+-.0123456789":
		return text
	if _int.search(text):
		return text.to_int()
	if _radix.search(text):
		if text.begins_with("0x"):
			return text.hex_to_int()
		var octal := 0
		for digit in text.substr(2):
			octal = octal * 8 + digit.to_int()
		return octal
	if _float.search(text):
		return text.to_float()
	return text


## Where a quoted text that begins a line ends: the index after its closing quote, or -1.
static func quote_end(line: String) -> int:
	var quote := line[0]
	var index := 1
	while index < line.length():
		if quote == '"' and line[index] == "\\":
			index += 1
		elif line[index] == quote:
			if quote == '"' or index + 1 == line.length() or line[index + 1] != quote:
				return index + 1
			index += 1
		index += 1
	return -1


## The text between quotes, on one line.
static func unquoted(written: String) -> String:
	var inner := written.substr(1, written.length() - 2)
	return inner.replace("''", "'") if written[0] == "'" else _unescaped(inner)


func _map() -> Dictionary:
	var map: Dictionary = {}
	_open()
	while problem.is_empty() and not _closes("}"):
		var is_quoted := _text[_at] == '"' or _text[_at] == "'"
		var key := _quoted() if is_quoted else _plain(true)
		if map.has(key):
			_fail("the key `%s` is there already" % key)
		map[key] = null
		_skip_space()
		if _at < _text.length() and _text[_at] == ":":
			_at += 1
			_skip_space()
			if _at < _text.length() and not _text[_at] in ",}":
				map[key] = read()
		_separate("}")
	_depth -= 1
	return map


func _list() -> Array:
	var items: Array = []
	_open()
	while problem.is_empty() and not _closes("]"):
		var item: Variant = read()
		_skip_space()
		if _at < _text.length() and _text[_at] == ":":
			_at += 1  # a lone pair in a list is a map of one
			item = {str(item): read()}
		items.append(item)
		_separate("]")
	_depth -= 1
	return items


func _open() -> void:
	_at += 1
	_depth += 1
	if _depth > MAX_DEPTH:
		_fail("nested deeper than %d" % MAX_DEPTH)


func _closes(bracket: String) -> bool:
	_skip_space()
	if _at >= _text.length():
		_fail("`%s` is missing" % bracket)
	elif _text[_at] == bracket:
		_at += 1
		return true
	return not problem.is_empty()


func _separate(bracket: String) -> void:
	_skip_space()
	if _at < _text.length() and _text[_at] == ",":
		_at += 1
	elif problem.is_empty() and (_at >= _text.length() or _text[_at] != bracket):
		_fail("`,` or `%s` is missing" % bracket)


func _plain(is_key := false) -> String:
	var start := _at
	var text := ""
	if _text[_at] in "&*!":
		_fail("anchors, aliases and tags are not allowed")
	while true:
		while _at < _text.length() and not _ends_plain(is_key):
			_at += 1
		text += _text.substr(start, _at - start).strip_edges()
		if _at < _text.length() and not _is_comment():
			break
		if not _next_line():
			break
		_skip_space()
		start = _at
		if _at >= _text.length() or _ends_plain(is_key):
			break
		text += " "
	if text.is_empty() and problem.is_empty():
		_fail("a value is missing before `%s`" % _text.substr(_at, 1))
	return text


func _ends_plain(is_key: bool) -> bool:
	var character := _text[_at]
	if character in ",[]{}" or _is_comment():
		return true
	if character != ":":
		return false
	var next := _text.substr(_at + 1, 1)
	return next.is_empty() or next in " ,[]{}" or (is_key and next == "\t")


func _quoted() -> String:
	var quote := _text[_at]
	var written := _text.substr(_at)
	var end := quote_end(written)
	while end < 0:
		var line: Variant = _more.call()
		if line == null:
			_fail("the closing %s is missing" % quote)
			_at = _text.length()
			return ""
		var more := str(line).strip_edges()
		if more.is_empty():
			written = written.rstrip(" \t") + "\n"
		elif quote == '"' and (written.length() - written.rstrip("\\").length()) % 2 == 1:
			written = written.left(-1) + more
		elif written.ends_with("\n"):
			written += more
		else:
			written = written.rstrip(" \t") + " " + more
		end = quote_end(written)
	_text = written
	_at = end
	return unquoted(written.substr(0, end))


## Passes over space, comments and ends of lines.
func _skip_space() -> void:
	while true:
		while _at < _text.length() and (_text[_at] == " " or _text[_at] == "\t"):
			_at += 1
		if _at < _text.length() and not _is_comment():
			return
		if _depth == 0 or not _next_line():
			return


func _is_comment() -> bool:
	return _text[_at] == "#" and (_at == 0 or _text[_at - 1] == " " or _text[_at - 1] == "\t")


func _next_line() -> bool:
	if _depth == 0:
		return false
	var line: Variant = _more.call()
	if line == null:
		_at = _text.length()
		return false
	_text = line
	_at = 0
	return true


func _fail(what: String) -> void:
	if problem.is_empty():
		problem = what


static func _unescaped(text: String) -> String:
	if not text.contains("\\"):
		return text
	var plain := ""
	var index := 0
	while index < text.length():
		var character := text[index]
		index += 1
		if character != "\\" or index >= text.length():
			plain += character
			continue
		var code := text[index]
		index += 1
		if _HEX_LENGTHS.has(code):
			var length: int = _HEX_LENGTHS[code]
			plain += String.chr(text.substr(index, length).hex_to_int())
			index += length
		else:
			plain += _ESCAPES.get(code, "\\" + code)
	return plain
