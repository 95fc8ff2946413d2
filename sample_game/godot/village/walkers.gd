class_name VillageWalkers
extends RefCounted
## Walks: characters go step by step along paths, one walk each, and every walk ends once.
##
## An update is a map: actor, id (of the action), status, reason, result.

const PROGRESS_S := 1.0
const ROUNDING_CELLS := 1e-6

var _ground: VillageGround
var _speeds: Dictionary[String, float] = {}
var _walks: Dictionary[String, Walk] = {}


func _init(ground: VillageGround) -> void:
	_ground = ground


## How fast somebody walks, in cells a second.
func set_speed(actor: String, speed: float) -> void:
	_speeds[actor] = speed


## Whether somebody has a walk under way; a follower counts, even while standing.
func is_walking(actor: String) -> bool:
	return _walks.has(actor)


## The action id of somebody's walk; -1 for none.
func action_of(actor: String) -> int:
	return _walks[actor].action_id if _walks.has(actor) else -1


## Sets out for a known target; a walk under way is superseded.
func begin(
	actor: String, id: int, target: String, title: String, follows: bool
) -> Array[Dictionary]:
	var updates := end(actor, "cancelled", "superseded")
	var walk := Walk.new()
	walk.actor = actor
	walk.action_id = id
	walk.target = target
	walk.title = title
	walk.follows = follows
	if not _find_path(walk):
		updates.append(_no_way(walk, "refused"))
		return updates
	_walks[actor] = walk
	updates.append(update(actor, id, "accepted"))
	updates.append(update(actor, id, "started", "", _result(walk)))
	updates.append_array(_arrival(walk))
	return updates


## Ends the walk of somebody, if there is one.
func end(actor: String, status: String, reason: String) -> Array[Dictionary]:
	var updates: Array[Dictionary] = []
	if _walks.has(actor):
		var walk := _walks[actor]
		_walks.erase(actor)
		updates.append(update(actor, walk.action_id, status, reason, _result(walk)))
	return updates


## Lets everyone walk; adds the doors that were unlocked to [param opened], as [actor, door].
func tick(delta: float, opened: Array[Array]) -> Array[Dictionary]:
	var updates: Array[Dictionary] = []
	for actor: String in _walks.keys():
		var walk := _walks[actor]
		if walk.follows:
			_find_path(walk)
		walk.credit_cells += delta * _speeds.get(actor, 4.0)
		walk.since_progress_s += delta
		updates.append_array(_advance(walk, opened))
	return updates


## An update.
static func update(
	actor: String, id: int, status: String, reason := "", result: Dictionary = {}
) -> Dictionary:
	return {"actor": actor, "id": id, "status": status, "reason": reason, "result": result}


func _advance(walk: Walk, opened: Array[Array]) -> Array[Dictionary]:
	while not walk.path.is_empty():
		var cell := walk.path[0]
		if walk.path.size() == 1 and _ground.is_taken(cell, walk.actor):
			walk.path.clear()  # one stops beside whoever stands there
			break
		if not _ground.can_enter(walk.actor, cell):
			if not _find_path(walk):
				_walks.erase(walk.actor)
				return [_no_way(walk, "failed")]
			continue
		var length := Vector2(_ground.positions[walk.actor]).distance_to(Vector2(cell))
		if walk.credit_cells < length - ROUNDING_CELLS:
			break
		walk.credit_cells = maxf(0.0, walk.credit_cells - length)
		walk.path.remove_at(0)
		walk.num_steps += 1
		var door := _ground.move(walk.actor, cell)
		if not door.is_empty():
			opened.append([walk.actor, door])
		if _is_beside_target(walk):
			walk.path.clear()
	if walk.path.is_empty():
		walk.credit_cells = 0.0
	var updates := _arrival(walk)
	return updates if not updates.is_empty() else _progress(walk)


func _arrival(walk: Walk) -> Array[Dictionary]:
	if not walk.path.is_empty() or walk.follows:
		return []
	if _ground.positions.has(walk.target) and not _is_beside_target(walk):
		if _find_path(walk) and not walk.path.is_empty():
			return []
		_walks.erase(walk.actor)
		return [_no_way(walk, "failed")]
	return end(walk.actor, "done", "")


func _progress(walk: Walk) -> Array[Dictionary]:
	if walk.since_progress_s < PROGRESS_S or walk.path.is_empty():
		return []
	walk.since_progress_s = 0.0
	var result := _result(walk)
	result["steps_left"] = walk.path.size()
	return [update(walk.actor, walk.action_id, "progress", "", result)]


func _find_path(walk: Walk) -> bool:
	walk.path = []
	if not _ground.knows(walk.target):
		return false
	var goal := _ground.position_of(walk.target)
	if _is_beside_target(walk) or _ground.positions[walk.actor] == goal:
		return true
	walk.path = _ground.path(walk.actor, goal)
	return not walk.path.is_empty() or _is_as_near_as_can_be(walk, goal)


func _is_as_near_as_can_be(walk: Walk, goal: Vector2i) -> bool:
	return (
		not _ground.can_enter(walk.actor, goal)
		and _ground.cost_of(goal) == 0
		and VillageGround.apart(_ground.positions[walk.actor], goal) <= 1
	)


func _is_beside_target(walk: Walk) -> bool:
	if not _ground.positions.has(walk.target):
		return false
	return VillageGround.apart(_ground.positions[walk.actor], _ground.positions[walk.target]) <= 1


func _no_way(walk: Walk, status: String) -> Dictionary:
	var door := _ground.door_in_the_way(walk.actor, _ground.position_of(walk.target))
	var result := _result(walk)
	var reason := "unreachable" if status == "refused" else "blocked"
	if not door.is_empty():
		result["door_name"] = door["name"]
		reason = "locked"
	return update(walk.actor, walk.action_id, status, reason, result)


static func _result(walk: Walk) -> Dictionary:
	return {"target": walk.target, "target_name": walk.title, "steps": walk.num_steps}


## A walk under way.
class Walk:
	extends RefCounted
	var actor := ""
	var action_id := 0
	var target := ""
	var title := ""
	var follows := false
	var path: Array[Vector2i] = []
	var num_steps := 0
	var credit_cells := 0.0
	var since_progress_s := 0.0
