# gdlint: disable=max-public-methods
# One node is all that a game needs to know of, so it has many methods.
@tool
@icon("../icons/npc_world.svg")
class_name NpcWorld
extends Node
## Tells the sidecar what there is in the game: places, entities, items, inventories, facts, and
## the ground to walk on. One in a scene.
##
## The game keeps its own books and says what changed, whenever it changes: [method set_inventory],
## [method move_entity], [method set_fact] … A frame's changes travel as one patch. Characters and
## [NpcMarker]s of the scene are reported automatically.
## [br][br]
## A position is a cell ([Vector2i], on a nav grid), a point in metres ([Vector3]), or a point on
## the 2D canvas ([Vector2]), which becomes a cell of [member tile_map], or metres without one.

## The sidecar knows the whole world.
signal synced(revision: int)
## A patch was sent.
signal patched(revision: int)

const Client := preload("res://addons/npc_brain/npc_brain_client.gd")
const NpcLink := preload("res://addons/npc_brain/nodes/npc_link.gd")
const NavGrid := preload("res://addons/npc_brain/nodes/nav_grid.gd")
const NavigationAnswers := preload("res://addons/npc_brain/nodes/navigation_answers.gd")
const SceneWatch := preload("res://addons/npc_brain/nodes/scene_watch.gd")
const WorldChanges := preload("res://addons/npc_brain/nodes/world_changes.gd")
## The group that worlds are in.
const GROUP := &"npc_worlds"

## Cells to walk on, for path finding in the sidecar. Tiles without a collision polygon can be
## walked on, at the cost in [member cost_data].
@export var tile_map: TileMapLayer:
	set(value):
		tile_map = value
		update_configuration_warnings()
## The custom data layer of the tile set that has a tile's cost of entering, 0 (blocked) to 255;
## without it a tile costs 1, and no tile is blocked.
@export var cost_data := "cost"
## Whether the characters and markers of the scene are reported as entities and places.
@export var tells_scene := true
## How often positions in the scene are looked at.
@export_range(0.02, 5.0, 0.01, "suffix:s") var look_interval_s := 0.2
## Without a tile map: how many pixels of the canvas are a metre.
@export_range(1.0, 1000.0, 1.0, "or_greater") var pixels_per_metre := 32.0
## The item that prices are counted in.
@export var currency := ""

## The link to the sidecar; taken from the autoload when the world enters the tree.
var client: Client

var _changes := WorldChanges.new()
var _scene := SceneWatch.new(self)
var _grid: NavGrid
var _revision := 0
var _is_synced := false
var _look_in_s := 0.0


## The world of a node's tree; null when it has none.
static func of(node: Node) -> NpcWorld:
	if not node.is_inside_tree():
		return null
	return node.get_tree().get_first_node_in_group(GROUP) as NpcWorld


## A position as it travels: [code][x, y][/code] cells or [code][x, y, z][/code] metres.
static func wire_position(position: Variant) -> Array:
	if position is Vector2i:
		var cell: Vector2i = position
		return [cell.x, cell.y]
	var point: Vector3 = position
	return [point.x, point.y, point.z]


func _enter_tree() -> void:
	if Engine.is_editor_hint():
		return
	add_to_group(GROUP)
	if client == null:
		client = NpcLink.client_of(self)
	if client != null:
		client.connected.connect(_on_connected)
		client.disconnected.connect(_on_disconnected)


func _ready() -> void:
	if Engine.is_editor_hint():
		set_process(false)
		return
	if tile_map != null and _grid == null:
		set_nav_grid_from(tile_map)
	_look_at_scene()
	if client != null and client.is_connected_to_sidecar:
		sync()


func _exit_tree() -> void:
	if Engine.is_editor_hint() or client == null:
		return
	client.connected.disconnect(_on_connected)
	client.disconnected.disconnect(_on_disconnected)
	_is_synced = false


func _process(delta: float) -> void:
	_look_in_s -= delta
	if _look_in_s <= 0.0:
		_look_in_s = look_interval_s
		_look_at_scene()
	flush()


func _get_configuration_warnings() -> PackedStringArray:
	var warnings := PackedStringArray()
	if is_inside_tree():
		for node in owner.find_children("*", "NpcWorld") if owner != null else []:
			if node != self:
				warnings.append("There is another NpcWorld in the scene: %s." % node.name)
	if tile_map != null and tile_map.tile_set != null:
		if tile_map.tile_set.get_custom_data_layer_by_name(cost_data) < 0:
			warnings.append(
				(
					'The tile set has no custom data layer "%s": every tile can be walked on.'
					% cost_data
				)
			)
	return warnings


# --- what there is ---------------------------------------------------------------------------


## Adds or changes a kind of item. [param more] may have description, aliases, tags, price, slot,
## usable.
func set_item(id: String, item_name: String, more: Dictionary = {}) -> void:
	_changes.put("items", id, {"id": id, "name": item_name}.merged(more))


## Adds or changes a place. [param more] may have description, aliases, tags.
func set_place(id: String, place_name: String, position: Variant, more: Dictionary = {}) -> void:
	var place := {"id": id, "name": place_name, "position": to_wire(position)}
	_changes.put("places", id, place.merged(more))


## Adds or changes a character or thing; [param kind] is "npc", "player" or "object".
## [param more] may have description, aliases, tags.
func set_entity(
	id: String, entity_name: String, kind: String, position: Variant, more: Dictionary = {}
) -> void:
	var entity := {"id": id, "name": entity_name, "kind": kind, "position": to_wire(position)}
	_changes.put("entities", id, entity.merged(more))


## Moves a character or thing.
func move_entity(id: String, position: Variant) -> void:
	var entity: Dictionary = _changes.get_row("entities", id)
	if entity.is_empty():
		push_error("NpcWorld: there is no entity %s to move; call set_entity first" % id)
		return
	var wired := to_wire(position)
	if entity["position"] != wired:
		_changes.put("entities", id, entity.merged({"position": wired}, true))


## Says what someone holds: counts by item id, and what is equipped by slot.
func set_inventory(owner_id: String, items: Dictionary, equipped: Dictionary = {}) -> void:
	var inventory := {"items": items.duplicate(), "equipped": equipped.duplicate()}
	if _changes.get_row("inventories", owner_id) != inventory:
		_changes.put("inventories", owner_id, inventory)


## States a fact: true or false, a number or text.
func set_fact(id: String, value: Variant) -> void:
	if not _changes.has("facts", id) or _changes.get_value("facts", id) != value:
		_changes.put("facts", id, value)


## Takes something away: [param kind] is "items", "places", "entities", "inventories" or "facts".
func remove(kind: String, id: String) -> void:
	_changes.remove(kind, id)


## Whether there is such a row; [param kind] as in [method remove].
func has(kind: String, id: String) -> bool:
	return _changes.has(kind, id)


## The name of an item, place or entity; the id itself when nothing has it.
func name_of(id: String) -> String:
	for kind: String in ["entities", "places", "items"]:
		var row: Dictionary = _changes.get_row(kind, id)
		if not row.is_empty():
			return row["name"]
	return id


## Where a place or entity is, as it travels; empty when nothing has the id.
func position_of(id: String) -> Array:
	for kind: String in ["entities", "places"]:
		var row: Dictionary = _changes.get_row(kind, id)
		if not row.is_empty():
			return row["position"]
	return []


## The ids of the places and entities that have a tag.
func ids_tagged(tag: String) -> PackedStringArray:
	var ids := PackedStringArray()
	for kind: String in ["places", "entities"]:
		for row in _changes.rows(kind):
			var tags: Array = row.get("tags", [])
			if tag in tags:
				ids.append(str(row["id"]))
	return ids


# --- the ground ------------------------------------------------------------------------------


## Sets the nav grid: one byte a cell, row by row; 0 is blocked, else the cost of entering.
func set_nav_grid(width: int, height: int, cells: PackedByteArray) -> void:
	if width < 1 or height < 1 or cells.size() != width * height:
		push_error("NpcWorld: %d cells do not make a %d x %d grid" % [cells.size(), width, height])
		return
	_grid = NavGrid.new(Vector2i(width, height), cells)
	_changes.set_nav(_grid.to_body)


## Takes the nav grid from a tile map: what is used of it, cell (0, 0) being its corner.
func set_nav_grid_from(layer: TileMapLayer) -> void:
	tile_map = layer
	_grid = NavGrid.from_tile_map(layer, cost_data)
	_changes.set_nav(_grid.to_body)


## Sets a nav graph: positions by node id, and edges as [code][from, to, cost][/code].
func set_nav_graph(nodes: Dictionary, edges: Array) -> void:
	_grid = null
	var wired: Dictionary = {}
	for id: String in nodes:
		wired[id] = to_wire(nodes[id])
	var edge_rows: Array = []
	for edge: Array in edges:
		edge_rows.append({"a": edge[0], "b": edge[1], "cost": float(str(edge[2]))})
	var graph := {"kind": "graph", "nodes": wired, "edges": edge_rows}
	_changes.set_nav(func() -> Dictionary: return graph)


## Changes what it costs to enter a cell; 0 blocks it.
func set_cell_cost(cell: Vector2i, cost: int) -> void:
	if _grid == null or not _grid.set_cost(cell, cost):
		push_error("NpcWorld: there is no cell %s in the nav grid" % cell)
		return
	_changes.set_cell(cell, cost)


## The cost of entering a cell; 0 when it is blocked or outside the grid.
func cost_of(cell: Vector2i) -> int:
	return 0 if _grid == null else _grid.cost_of(cell)


## The cell of the nav grid under a point of the canvas.
func cell_at(global_point: Vector2) -> Vector2i:
	var cell := tile_map.local_to_map(tile_map.to_local(global_point))
	return cell - _grid.origin if _grid != null else cell


## The middle of a cell of the nav grid, on the canvas.
func point_of(cell: Vector2i) -> Vector2:
	var origin := _grid.origin if _grid != null else Vector2i.ZERO
	return tile_map.to_global(tile_map.map_to_local(cell + origin))


## A position as it travels; see the class for what it may be. One that travels already stays.
func to_wire(position: Variant) -> Array:
	if position is Array:
		return position
	if position is Vector2:
		var point: Vector2 = position
		if tile_map != null:
			return wire_position(cell_at(point))
		return [point.x / pixels_per_metre, 0.0, point.y / pixels_per_metre]
	if position is Vector2i or position is Vector3:
		return wire_position(position)
	push_error("NpcWorld: a position is a Vector2i, Vector2 or Vector3, got %s" % position)
	return [0, 0]


## Where a node stands, as it travels; empty for a node without a position, and on the canvas when
## the game has set a nav grid of its own: then only the game knows which cell is where.
func position_of_node(node: Node) -> Array:
	if node is Node3D:
		return to_wire((node as Node3D).global_position)
	if node is CanvasItem and (tile_map != null or _grid == null):
		return to_wire((node as CanvasItem).get_global_transform().origin)
	return []


## Answers a question about the way through NavigationServer2D or 3D, for worlds without a nav
## grid. Whether it could.
func answer(question: NpcToolCall, actor: Node) -> bool:
	return NavigationAnswers.answer(question, actor, self)


# --- the sidecar -----------------------------------------------------------------------------


## Tells the whole world; done by itself after connecting.
func sync() -> void:
	if client == null or not client.is_connected_to_sidecar:
		return
	_revision += 1
	_is_synced = true
	client.send("world.sync", _changes.take_snapshot(_revision, currency), "", _on_answered)
	synced.emit(_revision)


## Tells what changed since the last time, at once instead of at the end of the frame.
func flush() -> void:
	if _is_synced and _changes.has_changed():
		patch(_changes.take_patch())


## Sends a patch as it is, for what the other methods do not cover; revisions are filled in.
func patch(body: Dictionary) -> void:
	if not _is_synced:
		return
	_revision += 1
	var revised := {"base_revision": _revision - 1, "revision": _revision}
	client.send("world.patch", revised.merged(body), "", _on_answered)
	patched.emit(_revision)


## The minds of these characters, or of all if none are named, for the game's own save. To be
## awaited; empty if that failed.
func save_state(npc_ids: PackedStringArray = []) -> PackedByteArray:
	var answer_message := await NpcLink.ask(client, "state.save", {"npc_ids": Array(npc_ids)})
	_on_answered(answer_message)
	return NpcLink.body_of(answer_message).get("blob", PackedByteArray())


## Puts characters back as they were saved. To be awaited: whether they were.
func load_state(blob: PackedByteArray) -> bool:
	flush()
	var answer_message := await NpcLink.ask(client, "state.load", {"blob": blob})
	_on_answered(answer_message)
	return answer_message["type"] == "ok"


func _on_connected(_resumed: bool) -> void:
	# Even a resumed session may have missed a patch.
	_look_at_scene()
	sync()


func _on_disconnected(_reason: String) -> void:
	_is_synced = false


func _on_answered(message: Dictionary) -> void:
	if message["type"] != "error":
		return
	var body := NpcLink.body_of(message)
	match str(body.get("code", "")):
		"resync":
			sync()
		"connection_lost":
			pass  # told by `disconnected`, after which everything is synced again
		_:
			push_warning("NpcWorld: %s" % body.get("message", ""))


func _look_at_scene() -> void:
	if tells_scene and is_inside_tree():
		_scene.look()
