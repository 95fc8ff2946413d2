class_name VillageGround
extends RefCounted
## Who stands where, which doors are open, and the ways between.

## How far apart two may stand who talk or hand things over: a counter fits between them.
const REACH_CELLS := 2
## The place that the player has clicked on.
const MARK := "mark"

## The cell of every character and object.
var positions: Dictionary[String, Vector2i] = {}
## Doors that have been unlocked, by id.
var open_doors: Dictionary[String, bool] = {}
## Columns and rows.
var size := Vector2i.ZERO

var _costs := PackedByteArray()
var _places: Dictionary[String, Vector2i] = {}
var _doors: Dictionary[Vector2i, Dictionary] = {}
var _ledger: VillageLedger
var _moved: Dictionary[String, bool] = {}
var _changed_cells: Array[Vector2i] = []
var _grids: Dictionary[String, AStarGrid2D] = {}


func _init(world: Dictionary, ledger: VillageLedger) -> void:
	_ledger = ledger
	var rows: Array = world["map"]
	var first: String = rows[0]
	size = Vector2i(first.length(), rows.size())
	var legend: Dictionary = world["legend"]
	for row: String in rows:
		for glyph in row:
			var cost: int = legend[glyph]["cost"]
			_costs.append(cost)
	for place: Dictionary in world["places"]:
		_places[str(place["id"])] = cell_of(place["position"])
	for door: Dictionary in world["doors"]:
		_doors[cell_of(door["cell"])] = door


## An [x, y] of the world file as a cell.
static func cell_of(pair: Variant) -> Vector2i:
	var numbers: Array = pair
	var x: float = numbers[0]
	var y: float = numbers[1]
	return Vector2i(roundi(x), roundi(y))


## Distance in king's moves.
static func apart(first: Vector2i, second: Vector2i) -> int:
	return maxi(absi(first.x - second.x), absi(first.y - second.y))


## Whether there is such a character, object or place.
func knows(target: String) -> bool:
	return positions.has(target) or _places.has(target)


## Puts the place [constant MARK] on a cell.
func set_mark(cell: Vector2i) -> void:
	_places[MARK] = cell


## Where a character, object or place is.
func position_of(target: String) -> Vector2i:
	return positions[target] if positions.has(target) else _places.get(target, Vector2i.ZERO)


## Whether two known targets are within reach of each other.
func is_near(first: String, second: String, reach := REACH_CELLS) -> bool:
	return (
		knows(first) and knows(second) and apart(position_of(first), position_of(second)) <= reach
	)


## The costs of all cells for somebody without keys, row by row; 0 is blocked.
func nav_cells() -> PackedByteArray:
	var cells := _costs.duplicate()
	for cell in _doors:
		if not open_doors.has(str(_doors[cell]["id"])):
			cells[cell.y * size.x + cell.x] = 0
	return cells


## The cost of a cell, locked doors aside; 0 is blocked.
func cost_of(cell: Vector2i) -> int:
	return _costs[cell.y * size.x + cell.x] if Rect2i(Vector2i.ZERO, size).has_point(cell) else 0


## Whether somebody may step on a cell now.
func can_enter(walker: String, cell: Vector2i) -> bool:
	return cost_of(cell) > 0 and not cell in _closed_to(walker)


## Whether someone else stands on a cell.
func is_taken(cell: Vector2i, walker: String) -> bool:
	for other in positions:
		if other != walker and positions[other] == cell:
			return true
	return false


## The cells to [param goal], the start excluded; a goal that cannot be stood on is met beside it.
## Empty without a way, or when there is nothing to walk.
func path(walker: String, goal: Vector2i) -> Array[Vector2i]:
	return _path(positions[walker], goal, _closed_to(walker))


## The first locked door on the way that somebody would take if all were open; empty for none.
func door_in_the_way(walker: String, goal: Vector2i) -> Dictionary:
	var closed := _closed_to(walker)
	for cell in _path(positions[walker], goal, []):
		if cell in closed:
			return _doors[cell]
	return {}


## Puts somebody on a cell; gives the door that this unlocked, else an empty map.
func move(walker: String, cell: Vector2i) -> Dictionary:
	positions[walker] = cell
	_moved[walker] = true
	var door: Dictionary = _doors.get(cell, {})
	if door.is_empty() or open_doors.has(str(door["id"])):
		return {}
	open_doors[str(door["id"])] = true
	_changed_cells.append(cell)
	return door


## Those who have moved since the last call.
func take_moved() -> Array[String]:
	var moved := _moved.keys()
	_moved = {}
	return moved


## The cells whose cost has changed since the last call.
func take_changed_cells() -> Array[Vector2i]:
	var changed := _changed_cells
	_changed_cells = []
	return changed


## Doors by cell.
func doors() -> Dictionary[Vector2i, Dictionary]:
	return _doors


func _closed_to(walker: String) -> Array[Vector2i]:
	var closed: Array[Vector2i] = []
	for cell in _doors:
		var door := _doors[cell]
		var is_open := open_doors.has(str(door["id"]))
		if not is_open and _ledger.count(walker, str(door["key"])) == 0:
			closed.append(cell)
	return closed


func _path(start: Vector2i, goal: Vector2i, closed: Array[Vector2i]) -> Array[Vector2i]:
	var grid := _grid(closed)
	var best: Array[Vector2i] = []
	var least := INF
	for end in _ends(goal, grid):
		var way := grid.get_id_path(start, end)
		var cost := _cost_of_way(way)
		if not way.is_empty() and cost < least:
			least = cost
			best = way
	return best.slice(1)


func _cost_of_way(way: Array[Vector2i]) -> float:
	var cost := 0.0
	for index in range(1, way.size()):
		cost += Vector2(way[index - 1]).distance_to(way[index]) * cost_of(way[index])
	return cost


## The goal itself, or the cells around it.
func _ends(goal: Vector2i, grid: AStarGrid2D) -> Array[Vector2i]:
	if not grid.is_point_solid(goal):
		return [goal]
	var ends: Array[Vector2i] = []
	for y: int in [-1, 0, 1]:
		for x: int in [-1, 0, 1]:
			var cell := goal + Vector2i(x, y)
			if grid.is_in_boundsv(cell) and not grid.is_point_solid(cell):
				ends.append(cell)
	return ends


func _grid(closed: Array[Vector2i]) -> AStarGrid2D:
	var key := str(closed)
	if _grids.has(key):
		return _grids[key]
	var grid := AStarGrid2D.new()
	grid.region = Rect2i(Vector2i.ZERO, size)
	grid.diagonal_mode = AStarGrid2D.DIAGONAL_MODE_ONLY_IF_NO_OBSTACLES
	grid.default_compute_heuristic = AStarGrid2D.HEURISTIC_OCTILE
	grid.default_estimate_heuristic = AStarGrid2D.HEURISTIC_OCTILE
	grid.update()
	for y in size.y:
		for x in size.x:
			var cell := Vector2i(x, y)
			var cost := cost_of(cell)
			grid.set_point_solid(cell, cost == 0 or cell in closed)
			grid.set_point_weight_scale(cell, maxi(cost, 1))
	_grids[key] = grid
	return grid
