class_name SpeechBubble
extends Control
## A name plate and, while someone speaks, what they say, above their head on the screen.

const MAX_WIDTH := 340.0
const CHARS_PER_S := 55.0
const LINGER_S := 3.5
const PER_CHAR_S := 0.045
const EDGE := 12.0
const GAP := 6.0
const ABOVE := 24.0
const BESIDE := 40.0
const MARKS: Dictionary[String, String] = {
	"happy": ":)", "angry": "!", "afraid": "!?", "sad": ":(", "surprised": "!", "curious": "?"
}

var _plate: Label
var _panel := PanelContainer.new()
var _text := Label.new()
var _mark: Label
var _shown := 0.0
var _linger_s := 0.0
var _is_open := false


func _init(title: String, colour: Color) -> void:
	mouse_filter = MOUSE_FILTER_IGNORE
	_plate = Look.label(title, Look.SMALL, colour)
	_plate.add_theme_color_override("font_outline_color", Look.INK)
	_plate.add_theme_constant_override("outline_size", 6)
	add_child(_plate)
	_panel.add_theme_stylebox_override("panel", Look.box(Look.BUBBLE, 10.0))
	_panel.visible = false
	add_child(_panel)
	_text.add_theme_color_override("font_color", Look.INK)
	_text.add_theme_font_size_override("font_size", Look.NORMAL)
	_text.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	_panel.add_child(_text)
	_mark = Look.label("", Look.LARGE, Look.STRAW)
	_mark.add_theme_color_override("font_outline_color", Look.INK)
	_mark.add_theme_constant_override("outline_size", 8)
	add_child(_mark)


## Begins a line: what was said before goes.
func open() -> void:
	_text.text = ""
	_shown = 0.0
	_is_open = true
	_panel.visible = false
	_mark.text = "..."


## The next piece of the line.
func add(piece: String) -> void:
	if not _is_open:
		open()
	_text.text += piece.strip_edges(true, false) if _text.text.is_empty() else piece
	_fit()


## The line is whole.
func close(line: String, emotion := "neutral") -> void:
	_text.text = line
	_fit()
	_is_open = false
	_linger_s = LINGER_S + PER_CHAR_S * line.length()
	_mark.text = MARKS.get(emotion, "")


## Nothing more will be said.
func end() -> void:
	_is_open = false
	_mark.text = _mark.text if _panel.visible and _mark.text != "..." else ""


## Places it above [param head], on the screen of size [param screen], clear of the bubbles that
## have [param taken] their places already; its own is added to them.
func follow(head: Vector2, screen: Vector2, taken: Array[Rect2]) -> void:
	_plate.position = head + Vector2(-_plate.size.x / 2, -22)
	_mark.position = head + Vector2(_plate.size.x / 2 + 4, -28)
	if not _panel.visible:
		return
	_panel.reset_size()  # a wrapped text knows its height a frame late
	var rect := Rect2(head + Vector2(-_panel.size.x / 2, -30 - _panel.size.y), _panel.size)
	for other in taken:
		if rect.intersects(other):
			rect.position.y = other.position.y - rect.size.y - GAP
	if rect.position.y < EDGE:
		rect.position.y = EDGE
		if rect.end.y > head.y - ABOVE:  # it would hide who speaks
			rect.position.x = head.x + BESIDE
		for other in taken:
			if rect.intersects(other):
				rect.position.x = other.end.x + GAP
	rect.position.x = clampf(rect.position.x, EDGE, maxf(EDGE, screen.x - rect.size.x - EDGE))
	_panel.position = rect.position.round()
	taken.append(rect)


## Whether there is something to read.
func is_speaking() -> bool:
	return _panel.visible


## Whether a whole line can be read.
func is_whole() -> bool:
	return _panel.visible and not _is_open and _shown >= _text.text.length()


func _process(delta: float) -> void:
	_shown = minf(_shown + CHARS_PER_S * delta, _text.text.length())
	_text.visible_characters = floori(_shown)
	if not _is_open and _panel.visible and _shown >= _text.text.length():
		_linger_s -= delta
		if _linger_s < 0.0:
			_panel.visible = false
			_mark.text = ""


func _fit() -> void:
	_panel.visible = not _text.text.is_empty()
	if _panel.visible and _mark.text == "...":
		_mark.text = ""
	var font := _text.get_theme_font("font")
	var width := font.get_string_size(_text.text, HORIZONTAL_ALIGNMENT_LEFT, -1, Look.NORMAL).x + 4
	_text.custom_minimum_size.x = minf(width, MAX_WIDTH)
	_panel.reset_size()
