extends Node
## Shows a running game's messages in the editor's dock, and on screen where the project asks for
## it. Absent in exported games unless they do.

const Client := preload("res://addons/npc_brain/npc_brain_client.gd")
const Settings := preload("res://addons/npc_brain/editor/npc_settings.gd")
const MONITOR := "res://addons/npc_brain/editor/npc_monitor.gd"
const NAME := "DebugFeed"
const OVERLAY_LAYER := 120
const OVERLAY_HEIGHT_PX := 260
## Longer bytes are not sent to the editor, only how many they are.
const MAX_BYTES := 64

var _client: Client
var _waiting: Dictionary[String, Array] = {}


## Adds a feed to the client, once, where there is anyone to see it.
static func attach_to(client: Client) -> void:
	var is_shown: bool = Settings.value_of(Settings.SHOW_IN_GAME)
	if client.has_node(NAME) or not (is_shown or EngineDebugger.is_active()):
		return
	var feed := new()
	feed.name = NAME
	feed._client = client
	client.add_child.call_deferred(feed)
	if is_shown:
		feed._add_overlay()


func _ready() -> void:
	process_mode = Node.PROCESS_MODE_ALWAYS
	if not EngineDebugger.is_active():
		set_process(false)
		return
	_client.message_received.connect(func(message: Dictionary) -> void: _queue("in", message))
	_client.message_sent.connect(func(message: Dictionary) -> void: _queue("out", message))
	_client.log_received.connect(func(line: String) -> void: _queue("log", line))
	_client.connected.connect(func(_resumed: bool) -> void: _send("connected", []))
	_client.disconnected.connect(func(why: String) -> void: _send("disconnected", [why]))
	_client.status_changed.connect(
		func(phase: StringName, detail: String, progress: float) -> void:
			_send("status", [str(phase), detail, progress])
	)


func _process(_delta: float) -> void:
	for what: String in _waiting:
		EngineDebugger.send_message("npc_brain:" + what, _waiting[what])
	_waiting.clear()


func _queue(what: String, item: Variant) -> void:
	if not _waiting.has(what):
		_waiting[what] = []
	_waiting[what].append(_without_bytes(item))


func _send(what: String, data: Array) -> void:
	EngineDebugger.send_message("npc_brain:" + what, data)


func _add_overlay() -> void:
	var script: GDScript = load(MONITOR)
	var monitor: VBoxContainer = script.new()
	monitor.call("observe", _client)
	var panel := PanelContainer.new()
	panel.set_anchors_preset(Control.PRESET_BOTTOM_WIDE)
	panel.offset_top = -OVERLAY_HEIGHT_PX
	panel.add_child(monitor)
	var layer := CanvasLayer.new()
	layer.layer = OVERLAY_LAYER
	layer.add_child(panel)
	add_child(layer)


static func _without_bytes(value: Variant) -> Variant:
	if value is PackedByteArray:
		var bytes: PackedByteArray = value
		if bytes.size() > MAX_BYTES:
			return "<%d bytes>" % bytes.size()
	if value is Dictionary:
		var map: Dictionary = value
		var kept: Dictionary = {}
		for key: Variant in map:
			kept[key] = _without_bytes(map[key])
		return kept
	return value
