class_name Hud
extends CanvasLayer
## The quest log, the bag, what was noticed, and the line in which one types to somebody.

## The player says something to whom they talk to.
signal said(text: String)
## The player no longer talks.
signal talk_ended
## The player wants to give an item away.
signal item_chosen(item_id: String)

const TOAST_S := 6.0
const MAX_TOASTS := 4
const BAG_COLUMNS := 4
const SLOT := Vector2(56, 56)

var _quests := PanelContainer.new()
var _quest_rows: VBoxContainer
var _bag := PanelContainer.new()
var _bag_grid := GridContainer.new()
var _toasts := VBoxContainer.new()
var _talk := PanelContainer.new()
var _talk_title: Label
var _input := LineEdit.new()
var _choices := HFlowContainer.new()
var _help: Label


func _ready() -> void:
	layer = 2
	var root := Control.new()
	root.set_anchors_preset(Control.PRESET_FULL_RECT)
	root.mouse_filter = Control.MOUSE_FILTER_IGNORE
	add_child(root)
	_make_quests(root)
	_make_bag(root)
	_make_toasts(root)
	_make_talk(root)
	_help = Look.label(
		"WASD walk   E talk   I bag   Q quests   F3 what they think", Look.SMALL, Look.CREAM
	)
	_help.add_theme_color_override("font_outline_color", Look.INK)
	_help.add_theme_constant_override("outline_size", 6)
	_help.set_anchors_and_offsets_preset(
		Control.PRESET_CENTER_BOTTOM, Control.PRESET_MODE_MINSIZE, 12
	)
	_help.grow_horizontal = Control.GROW_DIRECTION_BOTH
	root.add_child(_help)


func _process(_delta: float) -> void:
	_quests.reset_size()  # wrapped texts know their height a frame late


## Shows the quests: [param quests] has a title and the text of the step each, empty when done.
func show_quests(quests: Array[Dictionary]) -> void:
	for row in _quest_rows.get_children():
		_quest_rows.remove_child(row)
		row.queue_free()
	for quest in quests:
		var is_done := str(quest["step"]).is_empty()
		var title := Look.label(str(quest["title"]), Look.NORMAL, Look.STRAW)
		_quest_rows.add_child(title)
		var text := Look.label("Done." if is_done else str(quest["step"]), Look.SMALL)
		text.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
		text.custom_minimum_size.x = 300
		_quest_rows.add_child(text)


## Shows what the player has: counts by item id, and the items' names.
func show_bag(counts: Dictionary, names: Dictionary) -> void:
	for slot in _bag_grid.get_children():
		_bag_grid.remove_child(slot)
		slot.queue_free()
	for item_id: String in counts:
		var slot := Button.new()
		slot.custom_minimum_size = SLOT
		slot.icon = Look.icon(item_id)
		slot.expand_icon = true
		slot.flat = true
		slot.focus_mode = Control.FOCUS_NONE
		slot.tooltip_text = "%s: give it to whom you talk to" % names.get(item_id, item_id)
		slot.pressed.connect(func() -> void: item_chosen.emit(item_id))
		var count := Look.label(str(counts[item_id]), Look.SMALL)
		count.add_theme_color_override("font_outline_color", Look.INK)
		count.add_theme_constant_override("outline_size", 6)
		count.set_anchors_and_offsets_preset(Control.PRESET_BOTTOM_RIGHT)
		count.grow_horizontal = Control.GROW_DIRECTION_BEGIN
		count.grow_vertical = Control.GROW_DIRECTION_BEGIN
		slot.add_child(count)
		_bag_grid.add_child(slot)


## Shows a notice for some seconds.
func toast(text: String) -> void:
	var panel := PanelContainer.new()
	panel.mouse_filter = Control.MOUSE_FILTER_IGNORE
	var rows := Look.column(panel, 9.0)
	var line := Look.label(text, Look.SMALL)
	line.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	line.custom_minimum_size.x = 290
	rows.add_child(line)
	_toasts.add_child(panel)
	while _toasts.get_child_count() > MAX_TOASTS:
		_toasts.get_child(0).free()
	var fade := create_tween()
	fade.tween_interval(TOAST_S)
	fade.tween_property(panel, "modulate:a", 0.0, 0.6)
	fade.tween_callback(panel.queue_free)


## Opens the line in which one types to [param title].
func open_talk(title: String) -> void:
	_talk_title.text = "To %s" % title
	_talk.visible = true
	_help.visible = false
	show_choices(PackedStringArray())
	_input.grab_focus()


## Closes it.
func close_talk() -> void:
	if _talk.visible:
		_talk.visible = false
		_help.visible = true
		_input.release_focus()
		talk_ended.emit()


## Whether the player is typing to somebody.
func is_talking() -> bool:
	return _talk.visible


## Offers answers to pick from.
func show_choices(choices: PackedStringArray) -> void:
	for choice in _choices.get_children():
		choice.queue_free()
	for text in choices:
		var choice := Button.new()
		choice.text = text
		choice.add_theme_font_size_override("font_size", Look.SMALL)
		choice.pressed.connect(_say.bind(text))
		_choices.add_child(choice)
	_choices.visible = not choices.is_empty()


## Shows text in the line, as if it had been typed.
func show_typed(text: String) -> void:
	_input.text = text
	_input.caret_column = text.length()


## Shows or hides the bag.
func toggle_bag() -> void:
	_bag.visible = not _bag.visible


## Shows or hides the quest log.
func toggle_quests() -> void:
	_quests.visible = not _quests.visible


func _make_quests(root: Control) -> void:
	_quest_rows = Look.column(_quests)
	_quests.position = Vector2(16, 16)
	root.add_child(_quests)


func _make_bag(root: Control) -> void:
	var rows := Look.column(_bag)
	rows.add_child(Look.label("Bag", Look.NORMAL, Look.STRAW))
	_bag_grid.columns = BAG_COLUMNS
	rows.add_child(_bag_grid)
	_bag.set_anchors_and_offsets_preset(
		Control.PRESET_BOTTOM_RIGHT, Control.PRESET_MODE_MINSIZE, 16
	)
	_bag.grow_horizontal = Control.GROW_DIRECTION_BEGIN
	_bag.grow_vertical = Control.GROW_DIRECTION_BEGIN
	root.add_child(_bag)


func _make_toasts(root: Control) -> void:
	_toasts.set_anchors_and_offsets_preset(
		Control.PRESET_BOTTOM_LEFT, Control.PRESET_MODE_MINSIZE, 16
	)
	_toasts.grow_vertical = Control.GROW_DIRECTION_BEGIN
	_toasts.mouse_filter = Control.MOUSE_FILTER_IGNORE
	root.add_child(_toasts)


func _make_talk(root: Control) -> void:
	var rows := Look.column(_talk)
	_talk_title = Look.label("", Look.SMALL, Look.STRAW)
	rows.add_child(_talk_title)
	rows.add_child(_choices)
	_input.custom_minimum_size = Vector2(560, 40)
	_input.placeholder_text = "Say something, Enter sends, Esc leaves"
	_input.max_length = 300
	_input.add_theme_font_size_override("font_size", Look.NORMAL)
	_input.text_submitted.connect(_say)
	rows.add_child(_input)
	_talk.visible = false
	_talk.set_anchors_and_offsets_preset(
		Control.PRESET_CENTER_BOTTOM, Control.PRESET_MODE_MINSIZE, 16
	)
	_talk.grow_horizontal = Control.GROW_DIRECTION_BOTH
	_talk.grow_vertical = Control.GROW_DIRECTION_BEGIN
	root.add_child(_talk)


func _say(text: String) -> void:
	_input.clear()
	show_choices(PackedStringArray())
	if not text.strip_edges().is_empty():
		said.emit(text.strip_edges())
