class_name VillageBridge
extends Node
## Runs the village in real time and keeps the sidecar in step with it.
##
## The village decides and the sidecar is told, in order: first what changed, then how actions
## stand, then what happened to NPCs, so that a state machine that reacts to a gift sees it.

## Something for the player to read.
signal noticed(text: String)
## Items, places or quests have changed.
signal changed
## A walk of the player has ended; an update as in [VillageWalkers].
signal walk_ended(update: Dictionary)
## What goes on behind the words, for whoever wants to see it.
signal acted(npc_id: String, text: String)

## When nothing has been said or done for so long, a command has run its course.
const QUIET_S := 0.4
## How often one walks after somebody who walks on.
const MAX_APPROACHES := 4
const LOST := "The sidecar does not answer; looking for it again."
const TRADED := "You get {give_count} x {give_item_name} for {take_count} x {take_item_name}."
const YamlReader := preload("res://addons/npc_brain/definition/yaml_reader.gd")
const ENDS: PackedStringArray = ["done", "failed", "refused", "cancelled"]

## The rules.
var village: Village
## The NPCs by id.
var characters: Dictionary[String, NpcCharacter] = {}

var _world := NpcWorld.new()
var _requests: Dictionary[String, Dictionary] = {}
var _last_walk_id := 0
var _busy_until_ms := 0
var _num_steps_done := 0


func _ready() -> void:
	var file := VillageFiles.read_json("world.json")
	var inventories: Dictionary = {}
	for npc: Dictionary in file["npcs"]:
		var id: String = npc["id"]
		characters[id] = _new_character(id)
		inventories[id] = inventory_in(characters[id].definition_file)
	village = Village.new(file, inventories)
	_tell_world()
	add_child(_world)
	for id in characters:
		_requests[id] = {}
		add_child(characters[id])
	NpcBrain.disconnected.connect(_on_disconnected)
	NpcBrain.connected.connect(_on_connected)


func _process(delta: float) -> void:
	publish(village.tick(minf(delta, 0.5)))


## Walks the player to a place or person; gives how the walk ended. To be awaited.
func walk_player(target: String) -> Dictionary:
	_last_walk_id += 1
	var id := _last_walk_id
	var updates := village.begin(Village.PLAYER, id, "go_to", {"target": target})
	for update in updates:
		if update["id"] == id and update["status"] in ENDS:
			publish(updates)
			return update
	publish(updates)
	while true:
		var ended: Dictionary = await walk_ended
		if ended["id"] == id:
			return ended
	return {}


## Walks the player to a cell.
func walk_player_to_cell(cell: Vector2i) -> void:
	_last_walk_id += 1
	publish(village.begin_walk_to_cell(Village.PLAYER, _last_walk_id, cell))


## Moves the player by one cell, as a key press does.
func step_player(direction: Vector2i) -> void:
	publish(village.cancel(Village.PLAYER, _last_walk_id))
	if village.step_player(direction):
		publish([])


## Walks up to somebody unless they are in reach; whether it worked out. To be awaited.
func approach(npc_id: String) -> bool:
	for _attempt in MAX_APPROACHES:
		if village.ground.is_near(Village.PLAYER, npc_id):
			return true
		var ended := await walk_player(npc_id)
		if ended["status"] != "done":
			noticed.emit(obstacle(ended))
			return false
	noticed.emit("%s is always a few steps ahead." % village.name_of(npc_id))
	return false


## Says something to an NPC; gives the turn.
func talk(npc_id: String, text: String) -> NpcTurn:
	_stir()
	return characters[npc_id].hear(text, Village.PLAYER)


## Hands an item over; whether the player had it.
func give(npc_id: String, item: String, number := 1) -> bool:
	if not village.give_from_player(npc_id, item, number):
		return false
	noticed.emit("You give %s: %d %s." % [village.name_of(npc_id), number, village.name_of(item)])
	publish([])
	return true


## Hits an NPC.
func attack(npc_id: String) -> void:
	noticed.emit("You hit %s. It does not make you taller." % village.name_of(npc_id))
	village.attack(npc_id)
	publish([])


## Whether something is being said or done, or was a moment ago.
func is_busy() -> bool:
	if Time.get_ticks_msec() < _busy_until_ms:
		return true
	for id in characters:
		if characters[id].is_speaking():
			return true
		for action: NpcActionRequest in _requests[id].values():
			if action.turn_id != 0 and action.tool != "follow":
				return true
	return false


## Tells why a walk of the player came to nothing.
func obstacle(update: Dictionary) -> String:
	var result: Dictionary = update["result"]
	for door: Dictionary in village.world["doors"]:
		if update["reason"] == "locked" and door["name"] == result.get("door_name"):
			return door["locked"]
	var reason := str(update["reason"]).replace("_", " ")
	return "You cannot get to %s (%s)." % [result.get("target_name", "there"), reason]


## Tells the sidecar what changed, how actions stand and what happened, and the player what to
## read.
func publish(updates: Array[Dictionary]) -> void:
	_tell_changes()
	for update in updates:
		_publish_update(update)
	for event in village.take_events():
		var data: Dictionary = event["data"]
		characters[str(event["npc_id"])].send_event(str(event["event"]), data)
		_stir()
	for notice in village.take_notices():
		if not notice.is_empty():
			noticed.emit(notice)


func _new_character(id: String) -> NpcCharacter:
	var character := NpcCharacter.new()
	character.name = id.capitalize()
	character.npc_id = id
	character.definition_file = VillageFiles.path_of("npcs/%s.yaml" % id)
	character.action_requested.connect(_on_action_requested)
	character.state_changed.connect(_on_state_changed.bind(id))
	character.turn_ended.connect(func(_turn: NpcTurn) -> void: _stir())
	return character


func _on_disconnected(_why: String) -> void:
	if not is_queued_for_deletion() and is_inside_tree():
		noticed.emit(LOST)


func _exit_tree() -> void:
	NpcBrain.disconnected.disconnect(_on_disconnected)


func _on_connected(resumed: bool) -> void:
	if not resumed:
		for id in _requests:
			_requests[id].clear()


func _on_action_requested(action: NpcActionRequest) -> void:
	_requests[action.npc_id][action.action_id] = action
	action.cancel_requested.connect(
		func() -> void: publish(village.cancel(action.npc_id, action.action_id))
	)
	_stir()
	publish(village.begin(action.npc_id, action.action_id, action.tool, action.args))


func _on_state_changed(from: String, to: String, event: String, npc_id: String) -> void:
	if not from.is_empty():
		acted.emit(npc_id, "%s -> %s (%s)" % [from, to, event])
	village.note_state(npc_id, to)
	_stir()
	publish([])


func _publish_update(update: Dictionary) -> void:
	var actor: String = update["actor"]
	var status: String = update["status"]
	if actor == Village.PLAYER:
		if status in ENDS:
			walk_ended.emit.call_deferred(update)
		return
	var of_actor := _requests[actor]
	var action: NpcActionRequest = of_actor.get(update["id"])
	if action == null:
		return
	var reason: String = update["reason"]
	var result: Dictionary = update["result"]
	if status in ENDS:
		of_actor.erase(update["id"])
		var why := "" if reason.is_empty() else " (%s)" % reason
		acted.emit(actor, "%s %s%s" % [action.tool, status, why])
		if action.tool == "inventory_trade" and status == "done":
			noticed.emit(TRADED.format(result))
		_stir()
	match status:
		"accepted":
			action.accept()
		"started":
			action.start(result)
		"progress":
			action.progress(result)
		"done":
			action.done(result)
		"failed":
			action.fail(reason, result)
		"refused":
			action.refuse(reason, result)
		"cancelled":
			action.cancel(reason)


func _tell_world() -> void:
	var file := village.world
	_world.tells_scene = false
	_world.currency = file["currency"]
	for item: Dictionary in file["items"]:
		_world.set_item(str(item["id"]), str(item["name"]), _rest(item, []))
	for place: Dictionary in file["places"]:
		var cell := VillageGround.cell_of(place["position"])
		_world.set_place(str(place["id"]), str(place["name"]), cell, _rest(place, ["position"]))
	for id in village.things:
		var kind := "npc" if id in village.npc_ids else "object"
		var thing := village.things[id]
		var kept: Dictionary = {}
		for key: String in ["description", "aliases", "tags"]:
			if thing.has(key):
				kept[key] = thing[key]
		_world.set_entity(
			id,
			village.name_of(id),
			"player" if id == Village.PLAYER else kind,
			village.ground.positions[id],
			kept
		)
	for owner_id in village.ledger.owners():
		_tell_inventory(owner_id)
	for fact: String in village.facts:
		_world.set_fact(fact, village.facts[fact])
	var size := village.ground.size
	_world.set_nav_grid(size.x, size.y, village.ground.nav_cells())


func _tell_changes() -> void:
	var moved := village.ground.take_moved()
	var owners := village.ledger.take_changed()
	var facts := village.take_changed_facts()
	for cell in village.ground.take_changed_cells():
		_world.set_cell_cost(cell, village.ground.cost_of(cell))
	for id in moved:
		_world.move_entity(id, village.ground.positions[id])
	for owner_id in owners:
		_tell_inventory(owner_id)
	for fact in facts:
		_world.set_fact(fact, village.facts[fact])
	_world.flush()
	var num_done := 0
	for quest in village.num_done:
		num_done += village.num_done[quest]
	if not owners.is_empty() or not facts.is_empty() or num_done != _num_steps_done:
		_num_steps_done = num_done
		changed.emit()


func _tell_inventory(owner_id: String) -> void:
	var worn := village.ledger.equipped_of(owner_id)
	_world.set_inventory(owner_id, village.ledger.items_of(owner_id), worn)


func _stir() -> void:
	_busy_until_ms = Time.get_ticks_msec() + roundi(QUIET_S * 1000)


## What an NPC holds at the start, as its file says.
static func inventory_in(path: String) -> Dictionary:
	var file: Variant = YamlReader.new().parse(FileAccess.get_file_as_string(path))
	if not file is Dictionary:
		return {}
	var map: Dictionary = file
	return map.get("inventory", {})


static func _rest(row: Dictionary, without: PackedStringArray) -> Dictionary:
	var rest: Dictionary = {}
	for key: String in row:
		if not key in without and not key in ["id", "name"]:
			rest[key] = row[key]
	return rest
