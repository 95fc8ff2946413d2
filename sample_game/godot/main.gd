extends Node
## The sample game: the village on the screen, the keyboard and the mouse.
##
## After [code]--[/code] it takes: [code]--tour[/code] plays the script and quits, 0 when the quest
## is done; [code]--fast[/code] plays it in haste; [code]--screenshots DIR[/code] saves pictures and
## quits; [code]--model NAME[/code].

const Settings := preload("res://addons/npc_brain/editor/npc_settings.gd")
const SCALE := 3.0
## How much faster everybody walks in haste.
const HASTE := 8.0
const STEP_S := 0.13
const CAMERA_SPEED := 7.0
## Where on the screen the player is: below the middle, which leaves room for what is said.
const EYE := Vector2(0.5, 0.58)
const DUSK := Color(1.0, 0.94, 0.84)
const KEYS: Dictionary[Key, Vector2i] = {
	KEY_W: Vector2i.UP,
	KEY_UP: Vector2i.UP,
	KEY_S: Vector2i.DOWN,
	KEY_DOWN: Vector2i.DOWN,
	KEY_A: Vector2i.LEFT,
	KEY_LEFT: Vector2i.LEFT,
	KEY_D: Vector2i.RIGHT,
	KEY_RIGHT: Vector2i.RIGHT,
}

## The rules, and the link to the sidecar.
var bridge := VillageBridge.new()
## What is shown over the map.
var hud := Hud.new()
## What they think.
var overlay := DebugOverlay.new()
## Whom the player talks to; empty for nobody.
var partner := ""

var _stage := Node2D.new()
var _map := MapView.new()
var _sorted := Node2D.new()
var _actors: Dictionary[String, ActorView] = {}
var _bubbles: Dictionary[String, SpeechBubble] = {}
var _bubble_layer := CanvasLayer.new()
var _next_step_s := 0.0


func _ready() -> void:
	get_window().title = "Alderford"
	var arguments := OS.get_cmdline_user_args()
	_start_sidecar(arguments)
	add_child(bridge)
	_build_stage()
	_connect_hud()
	if "--fast" in arguments:
		Engine.time_scale = HASTE
	if "--tour" in arguments:
		_play_tour()
	elif "--screenshots" in arguments:
		var director := Director.new(self)
		add_child(director)
		director.shoot.call(arguments[arguments.find("--screenshots") + 1])
	else:
		hud.toast(str(bridge.village.world["intro"]))


func _process(delta: float) -> void:
	for id in _actors:
		_actors[id].walk_to(bridge.village.ground.positions[id])
	for cell in bridge.village.ground.doors():
		var door := bridge.village.ground.doors()[cell]
		_map.set_door(cell, bridge.village.ground.open_doors.has(str(door["id"])))
	_walk_by_keys(delta)
	_move_camera(delta)
	var screen := get_viewport().get_visible_rect().size
	var taken: Array[Rect2] = []
	for id in _bubbles:
		_bubbles[id].follow(_actors[id].head() * SCALE + _stage.position, screen, taken)


func _unhandled_input(event: InputEvent) -> void:
	if event is InputEventKey:
		var key: InputEventKey = event
		if key.pressed and not key.echo:
			_on_key(key.keycode)
	elif event is InputEventMouseButton:
		var click: InputEventMouseButton = event
		if click.pressed and click.button_index == MOUSE_BUTTON_LEFT:
			_on_click((click.position - _stage.position) / SCALE)


## Lets the player talk to somebody: walks up and opens the line. To be awaited.
func talk_to(npc_id: String) -> void:
	if not await bridge.approach(npc_id):
		return
	partner = npc_id
	_actors[Village.PLAYER].face(_actors[npc_id].position)
	_actors[npc_id].face(_actors[Village.PLAYER].position)
	hud.open_talk(bridge.village.name_of(npc_id))


## The bubble of a character.
func bubble_of(npc_id: String) -> SpeechBubble:
	return _bubbles[npc_id]


func _start_sidecar(arguments: PackedStringArray) -> void:
	if "--model" in arguments:
		var model := arguments[arguments.find("--model") + 1]
		ProjectSettings.set_setting(Settings.MODEL, model)
	if OS.has_environment("NPC_BRAIN_PROGRAM"):
		ProjectSettings.set_setting(Settings.PATH, OS.get_environment("NPC_BRAIN_PROGRAM"))
	NpcBrain.start()


func _play_tour() -> void:
	var tour := Tour.new(bridge)
	add_child(tour)
	tour.finished.connect(func(is_won: bool) -> void: get_tree().quit(0 if is_won else 1))
	tour.play.call(VillageFiles.path_of("tour.txt"))


func _build_stage() -> void:
	_stage.scale = Vector2(SCALE, SCALE)
	add_child(_stage)
	_sorted.y_sort_enabled = true
	_stage.add_child(_map)
	_stage.add_child(_sorted)
	var light := CanvasModulate.new()
	light.color = DUSK
	_stage.add_child(light)
	var rows: Array = bridge.village.world["map"]
	_map.build(PackedStringArray(rows), _sorted)
	_map.add_cat(bridge.village.ground.positions["cat"])
	add_child(_bubble_layer)
	_add_actor(Village.PLAYER, "You", Color.WHITE)
	for npc: Dictionary in bridge.village.world["npcs"]:
		_add_actor(str(npc["id"]), str(npc["name"]), Color(str(npc["colour"])).lightened(0.35))
	_stage.position = _wanted_camera()


func _add_actor(id: String, title: String, colour: Color) -> void:
	var sheet: Texture2D = load("res://art/%s.png" % id)
	var actor := ActorView.new(sheet)
	actor.speed = bridge.village.things[id].get("speed_cells_per_s", 4.0)
	actor.place(bridge.village.ground.positions[id])
	_sorted.add_child(actor)
	_actors[id] = actor
	var bubble := SpeechBubble.new(title, colour)
	_bubble_layer.add_child(bubble)
	_bubbles[id] = bubble
	if bridge.characters.has(id):
		_show_speech(bridge.characters[id], bubble)


func _show_speech(character: NpcCharacter, bubble: SpeechBubble) -> void:
	character.turn_started.connect(func(_turn: int, _cause: String) -> void: bubble.open())
	character.token_received.connect(func(_turn: int, text: String) -> void: bubble.add(text))
	character.line_said.connect(
		func(line: NpcLine) -> void:
			bubble.close(line.text, line.emotion)
			if character.npc_id == partner:
				hud.show_choices(line.choices)
	)
	character.turn_ended.connect(func(_turn: NpcTurn) -> void: bubble.end())


func _connect_hud() -> void:
	add_child(hud)
	hud.add_child(overlay)
	overlay.visible = false
	hud.said.connect(func(text: String) -> void: bridge.talk(partner, text))
	hud.talk_ended.connect(func() -> void: partner = "")
	hud.item_chosen.connect(_give)
	bridge.noticed.connect(hud.toast)
	bridge.changed.connect(_refresh)
	_refresh()


func _refresh() -> void:
	var quests: Array[Dictionary] = []
	for quest: Dictionary in bridge.village.world["quests"]:
		quests.append({"title": quest["title"], "step": bridge.village.current_step(quest)})
	hud.show_quests(quests)
	var names: Dictionary = {}
	for item in bridge.village.items:
		names[item] = bridge.village.name_of(item)
	hud.show_bag(bridge.village.ledger.items_of(Village.PLAYER), names)


func _give(item: String) -> void:
	if partner.is_empty():
		hud.toast("Talk to somebody first; then click what you want to give.")
	elif await bridge.approach(partner):
		bridge.give(partner, item)


func _on_key(key: Key) -> void:
	match key:
		KEY_ESCAPE:
			hud.close_talk()
		KEY_F3:
			overlay.visible = not overlay.visible
		KEY_I when not hud.is_talking():
			hud.toggle_bag()
		KEY_Q when not hud.is_talking():
			hud.toggle_quests()
		KEY_E, KEY_ENTER when not hud.is_talking():
			var nearest := _nearest()
			if nearest.is_empty():
				hud.toast("There is nobody near.")
			else:
				talk_to.call(nearest)


func _on_click(point: Vector2) -> void:
	var cell := Vector2i((point / MapView.TILE).floor())
	for id in bridge.village.npc_ids:
		var at := bridge.village.ground.positions[id]
		if cell == at or cell == at + Vector2i.UP:
			talk_to.call(id)
			return
	if bridge.village.ground.cost_of(cell) > 0:
		hud.close_talk()
		bridge.walk_player_to_cell(cell)


func _walk_by_keys(delta: float) -> void:
	_next_step_s -= delta
	if hud.is_talking() or _next_step_s > 0.0:
		return
	var direction := Vector2i.ZERO
	for key in KEYS:
		if Input.is_physical_key_pressed(key):
			direction += KEYS[key]
	direction = direction.clamp(-Vector2i.ONE, Vector2i.ONE)
	if direction != Vector2i.ZERO:
		_next_step_s = STEP_S * Vector2(direction).length()
		bridge.step_player(direction)


func _move_camera(delta: float) -> void:
	_stage.position = _stage.position.lerp(_wanted_camera(), minf(1.0, CAMERA_SPEED * delta))


## The player in the middle of the screen, but never beyond the map.
func _wanted_camera() -> Vector2:
	var screen := get_viewport().get_visible_rect().size
	var wanted := screen * EYE - _actors[Village.PLAYER].position * SCALE
	var least := screen - _map.size_px() * SCALE
	return wanted.clamp(least.min(Vector2.ZERO), Vector2.ZERO).round()


func _nearest() -> String:
	var best := ""
	var least := 5
	for id in bridge.village.npc_ids:
		var apart := VillageGround.apart(
			bridge.village.ground.positions[Village.PLAYER], bridge.village.ground.positions[id]
		)
		if apart < least:
			least = apart
			best = id
	return best
