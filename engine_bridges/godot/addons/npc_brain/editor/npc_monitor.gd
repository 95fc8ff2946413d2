@tool
extends VBoxContainer
## Shows status, live turns, states and the log of a running game: the editor's dock, and the
## overlay of a game that asks for it.

const MonitorLog := preload("res://addons/npc_brain/editor/monitor_log.gd")
const COLUMNS: PackedStringArray = ["NPC", "State", "Says", "Tool", "First token", "Tokens/s"]
const _SAYS := 2
const _COLUMN_WIDTH_PX := 96
const MAX_SHOWN_ROWS := 300
const _TOPIC_NAMES: PackedStringArray = [
	"Turns", "States", "Actions", "World", "Errors", "Session", "Sidecar's log"
]
const _COLOURS: PackedStringArray = [
	"#8eef97", "#8da5f3", "#ffca5f", "#9aa0a6", "#fc7f7f", "#e0e0e0", "#9aa0a6"
]

## What is shown.
var record := MonitorLog.new()

var _is_stale := true
var _status := Label.new()
var _progress := ProgressBar.new()
var _npcs := Tree.new()
var _log_view := RichTextLabel.new()
var _topics := MenuButton.new()
var _npc_filter := OptionButton.new()
var _text_filter := LineEdit.new()
var _pause := CheckButton.new()


func _init() -> void:
	custom_minimum_size = Vector2(600, 240)
	_build_status()
	var halves := HSplitContainer.new()
	halves.size_flags_vertical = Control.SIZE_EXPAND_FILL
	add_child(halves)
	_build_npcs()
	halves.add_child(_npcs)
	halves.add_child(_build_log())


func _process(_delta: float) -> void:
	if _is_stale and is_visible_in_tree() and not _pause.button_pressed:
		_is_stale = false
		_show_status()
		_show_npcs()
		_show_log()


## Follows a client in this process, for the overlay.
func observe(client: Node) -> void:
	client.connect(&"message_received", func(message: Dictionary) -> void: take("in", [message]))
	client.connect(&"message_sent", func(message: Dictionary) -> void: take("out", [message]))
	client.connect(&"log_received", func(line: String) -> void: take("log", [line]))
	client.connect(&"connected", func(_resumed: bool) -> void: take("connected", []))
	client.connect(&"disconnected", func(why: String) -> void: take("disconnected", [why]))
	client.connect(
		&"status_changed",
		func(phase: StringName, detail: String, progress: float) -> void:
			take("status", [str(phase), detail, progress])
	)


## Takes what happened: "in" or "out" with messages, "log" with lines, "status", "connected",
## "disconnected".
func take(what: String, data: Array) -> void:
	_is_stale = true
	match what:
		"in":
			for message: Dictionary in data:
				record.add_received(message)
		"out":
			for message: Dictionary in data:
				record.add_sent(message)
		"log":
			for line: String in data:
				record.add_log(line)
		"status":
			record.set_status(str(data[0]), str(data[1]), float(str(data[2])))
		"connected":
			record.set_connected(true)
		"disconnected":
			record.set_connected(false, str(data[0]))


## Starts again, as for another run of the game.
func reset() -> void:
	record = MonitorLog.new()
	_is_stale = true


## The rows that the filters let through.
func shown_rows() -> Array[MonitorLog.Row]:
	var topics: Array[MonitorLog.Topic] = []
	for index in _TOPIC_NAMES.size():
		if _topics.get_popup().is_item_checked(index):
			topics.append(index as MonitorLog.Topic)
	var npc_id := (
		"" if _npc_filter.selected <= 0 else _npc_filter.get_item_text(_npc_filter.selected)
	)
	return record.filtered(topics, npc_id, _text_filter.text)


func _build_status() -> void:
	var bar := HBoxContainer.new()
	_status.size_flags_horizontal = Control.SIZE_EXPAND_FILL
	_status.clip_text = true
	_progress.custom_minimum_size.x = 160
	_progress.max_value = 1.0
	bar.add_child(_status)
	bar.add_child(_progress)
	add_child(bar)


func _build_npcs() -> void:
	_npcs.columns = COLUMNS.size()
	_npcs.column_titles_visible = true
	_npcs.hide_root = true
	_npcs.size_flags_horizontal = Control.SIZE_EXPAND_FILL
	for column in COLUMNS.size():
		_npcs.set_column_title(column, COLUMNS[column])
		_npcs.set_column_clip_content(column, true)
		_npcs.set_column_expand(column, column == _SAYS)
		_npcs.set_column_custom_minimum_width(column, _COLUMN_WIDTH_PX)


func _build_log() -> Control:
	var side := VBoxContainer.new()
	side.size_flags_horizontal = Control.SIZE_EXPAND_FILL
	var filters := HBoxContainer.new()
	_topics.text = "Topics"
	_topics.flat = false
	var popup := _topics.get_popup()
	popup.hide_on_checkable_item_selection = false
	for topic_name in _TOPIC_NAMES:
		popup.add_check_item(topic_name)
		popup.set_item_checked(-1, true)
	popup.index_pressed.connect(_on_topic_pressed)
	_npc_filter.add_item("All NPCs")
	_npc_filter.item_selected.connect(_on_filter_changed)
	_text_filter.placeholder_text = "Filter by text"
	_text_filter.size_flags_horizontal = Control.SIZE_EXPAND_FILL
	_text_filter.text_changed.connect(_on_filter_changed)
	_pause.text = "Pause"
	var clear := Button.new()
	clear.text = "Clear"
	clear.pressed.connect(_on_clear_pressed)
	for control: Control in [_topics, _npc_filter, _text_filter, _pause, clear]:
		filters.add_child(control)
	_log_view.bbcode_enabled = true
	_log_view.scroll_following = true
	_log_view.selection_enabled = true
	_log_view.size_flags_vertical = Control.SIZE_EXPAND_FILL
	side.add_child(filters)
	side.add_child(_log_view)
	return side


func _show_status() -> void:
	var link := "connected" if record.is_connected_to_sidecar else "no link"
	_status.text = "%s (%s) %s" % [record.phase, link, record.detail]
	_progress.value = record.progress
	_progress.visible = record.progress > 0.0 and record.progress < 1.0


func _show_npcs() -> void:
	_npcs.clear()
	var root := _npcs.create_item()
	for npc_id in record.npcs:
		var npc := record.npcs[npc_id]
		var item := _npcs.create_item(root)
		var cells: PackedStringArray = [
			npc_id,
			npc.state,
			("… " if npc.is_speaking else "") + npc.speech,
			npc.last_tool,
			"%d ms" % npc.first_token_ms if npc.first_token_ms > 0 else "",
			"%.0f" % npc.tokens_per_s if npc.tokens_per_s > 0.0 else "",
		]
		for column in cells.size():
			item.set_text(column, cells[column])
			item.set_tooltip_text(column, cells[column])
	for npc_id in record.npcs:
		if not _has_filter_for(npc_id):
			_npc_filter.add_item(npc_id)


func _show_log() -> void:
	var lines := PackedStringArray()
	for row: MonitorLog.Row in shown_rows().slice(-MAX_SHOWN_ROWS):
		var text := row.text.replace("[", "[lb]")
		lines.append(
			(
				"[color=%s]%8.2f %s %-10s %s[/color]"
				% [_COLOURS[row.topic], row.time_s, row.direction, row.npc_id, text]
			)
		)
	_log_view.text = "\n".join(lines)


func _has_filter_for(npc_id: String) -> bool:
	for index in _npc_filter.item_count:
		if _npc_filter.get_item_text(index) == npc_id:
			return true
	return false


func _on_topic_pressed(index: int) -> void:
	var popup := _topics.get_popup()
	popup.set_item_checked(index, not popup.is_item_checked(index))
	_is_stale = true


func _on_filter_changed(_value: Variant) -> void:
	_is_stale = true


func _on_clear_pressed() -> void:
	record.clear()
	_is_stale = true
