extends RefCounted
## The world as last sent, and what has changed since: makes snapshots and patches.

const _KINDS: PackedStringArray = ["items", "places", "entities", "inventories", "facts"]
## Kinds that travel as lists of rows; the others as maps by id.
const _LISTS: PackedStringArray = ["items", "places", "entities"]

var _rows: Dictionary[String, Dictionary] = {}
var _changed: Dictionary[String, Dictionary] = {}
var _removed: Dictionary[String, Dictionary] = {}
## Gives the ground as it travels; made only when it does.
var _nav := Callable()
var _has_new_nav := false
var _cells: Dictionary[Vector2i, int] = {}


func _init() -> void:
	for kind in _KINDS:
		_rows[kind] = {}
		_changed[kind] = {}
		_removed[kind] = {}


## Adds or replaces a row (or a fact's value).
func put(kind: String, id: String, value: Variant) -> void:
	_rows[kind][id] = value
	_changed[kind][id] = true
	_removed[kind].erase(id)


## Takes a row away.
func remove(kind: String, id: String) -> void:
	if _rows[kind].erase(id):
		_changed[kind].erase(id)
		_removed[kind][id] = true


## Whether there is a row.
func has(kind: String, id: String) -> bool:
	return _rows[kind].has(id)


## A row; empty when there is none.
func get_row(kind: String, id: String) -> Dictionary:
	return _rows[kind].get(id, {})


## All rows of a kind that has rows.
func rows(kind: String) -> Array[Dictionary]:
	var found: Array[Dictionary] = []
	found.assign(_rows[kind].values())
	return found


## A value; null when there is none.
func get_value(kind: String, id: String) -> Variant:
	return _rows[kind].get(id)


## Sets the whole ground: [param nav] gives it as it travels.
func set_nav(nav: Callable) -> void:
	_nav = nav
	_has_new_nav = true
	_cells.clear()


## Changes one cell of the ground.
func set_cell(cell: Vector2i, cost: int) -> void:
	if not _has_new_nav:
		_cells[cell] = cost


## Whether anything has changed since the last snapshot or patch.
func has_changed() -> bool:
	if _has_new_nav or not _cells.is_empty():
		return true
	for kind in _KINDS:
		if not _changed[kind].is_empty() or not _removed[kind].is_empty():
			return true
	return false


## The body of [code]world.sync[/code]; what comes after builds on it.
func take_snapshot(revision: int, currency: String) -> Dictionary:
	var body: Dictionary = {"revision": revision}
	if _nav.is_valid():
		body["nav"] = _nav.call()
	for kind in _KINDS:
		body[kind] = _wired(kind, _rows[kind].duplicate())
	if not currency.is_empty():
		body["currency"] = currency
	_forget_changes()
	return body


## The body of [code]world.patch[/code], without its revisions.
func take_patch() -> Dictionary:
	var body: Dictionary = {}
	if _has_new_nav:
		body["nav"] = _nav.call()
	elif not _cells.is_empty():
		var cells: Array = []
		for cell in _cells:
			cells.append({"cell": [cell.x, cell.y], "cost": _cells[cell]})
		body["nav_cells"] = cells
	for kind in _KINDS:
		if not _changed[kind].is_empty():
			body[kind] = _wired(kind, _changed_rows(kind))
	var removed: Dictionary = {}
	for kind in _KINDS:
		if not _removed[kind].is_empty():
			removed[kind] = _removed[kind].keys()
	if not removed.is_empty():
		body["removed"] = removed
	_forget_changes()
	return body


func _changed_rows(kind: String) -> Dictionary:
	var by_id: Dictionary = {}
	for id: String in _changed[kind]:
		by_id[id] = _rows[kind][id]
	return by_id


static func _wired(kind: String, by_id: Dictionary) -> Variant:
	if kind in _LISTS:
		return by_id.values()
	return by_id


func _forget_changes() -> void:
	_has_new_nav = false
	_cells.clear()
	for kind in _KINDS:
		_changed[kind].clear()
		_removed[kind].clear()
