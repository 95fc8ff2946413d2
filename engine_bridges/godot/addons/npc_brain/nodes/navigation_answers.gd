extends RefCounted
## Answers questions about the way through the engine's navigation servers, for worlds whose
## ground is a navigation mesh instead of a nav grid.

## How near to its goal a path must end to lead there.
const NEAR_M := 1.5
const _COMPASS: PackedStringArray = [
	"east", "south-east", "south", "south-west", "west", "north-west", "north", "north-east"
]
const _TOOLS: PackedStringArray = ["find_path", "distance", "is_reachable", "nearest", "plan_route"]


## Answers [param question] of [param actor]; whether it is one about the way.
static func answer(question: NpcToolCall, actor: Node, world: NpcWorld) -> bool:
	if not question.tool in _TOOLS or not (actor is Node2D or actor is Node3D):
		return false
	var at := world.position_of_node(actor)
	if at.size() != 3:
		return false
	var here := _point_of(at)
	match question.tool:
		"nearest":
			_answer_nearest(question, actor, here, world)
		"plan_route":
			_answer_route(question, actor, here, world)
		_:
			_answer_way(question, actor, here, world)
	return true


static func _answer_way(question: NpcToolCall, actor: Node, here: Vector3, world: NpcWorld) -> void:
	var target := str(question.args.get("target", ""))
	var there := world.position_of(target)
	if there.is_empty():
		question.refuse("unknown_target", {"target": target})
		return
	var length := _path_length(actor, here, _point_of(there), world)
	if question.tool == "is_reachable":
		var can := " can be reached." if length >= 0.0 else " cannot be reached."
		var text := world.name_of(target) + can
		question.answer({"target": target, "reachable": length >= 0.0, "text": text})
	elif length < 0.0:
		question.refuse("unreachable", {"target": target})
	else:
		question.answer(_measures(target, here, _point_of(there), length, world))


static func _answer_nearest(
	question: NpcToolCall, actor: Node, here: Vector3, world: NpcWorld
) -> void:
	var tag := str(question.args.get("tag", ""))
	var best := ""
	var best_length := INF
	for id in world.ids_tagged(tag):
		var length := _path_length(actor, here, _point_of(world.position_of(id)), world)
		if length >= 0.0 and length < best_length:
			best = id
			best_length = length
	if best.is_empty():
		question.refuse("unreachable", {"tag": tag})
		return
	var there := _point_of(world.position_of(best))
	question.answer({"tag": tag}.merged(_measures(best, here, there, best_length, world)))


## The nearest stop first, each time.
static func _answer_route(
	question: NpcToolCall, actor: Node, here: Vector3, world: NpcWorld
) -> void:
	var stops: Array = question.args.get("stops", [])
	var left := stops.duplicate()
	var order: Array = []
	var total := 0.0
	while not left.is_empty():
		var best := -1
		var best_length := INF
		for index in left.size():
			var there := _point_of(world.position_of(str(left[index])))
			var length := _path_length(actor, here, there, world)
			if length >= 0.0 and length < best_length:
				best = index
				best_length = length
		if best < 0:
			question.refuse("unreachable", {"stops": left})
			return
		var stop: String = left.pop_at(best)
		here = _point_of(world.position_of(stop))
		order.append(stop)
		total += best_length
	question.answer({"stops": order, "steps": roundi(total), "distance": snappedf(total, 0.01)})


static func _measures(
	target: String, here: Vector3, there: Vector3, length: float, world: NpcWorld
) -> Dictionary:
	var direction := _direction(here, there)
	var name := world.name_of(target)
	var text := "%s is %d metres %s." % [name, roundi(length), direction]
	return {
		"target": target,
		"name": name,
		"steps": roundi(length),
		"distance": snappedf(length, 0.01),
		"direction": direction,
		"text": text,
	}


## How long the way is in metres; below zero when there is none.
static func _path_length(actor: Node, from: Vector3, to: Vector3, world: NpcWorld) -> float:
	if actor is Node3D:
		var map_3d := (actor as Node3D).get_world_3d().navigation_map
		return _length(NavigationServer3D.map_get_path(map_3d, from, to, true), to)
	var scale := world.pixels_per_metre
	var map_2d := (actor as Node2D).get_world_2d().navigation_map
	var points := PackedVector3Array()
	for point in NavigationServer2D.map_get_path(
		map_2d, Vector2(from.x, from.z) * scale, Vector2(to.x, to.z) * scale, true
	):
		points.append(Vector3(point.x, 0.0, point.y) / scale)
	return _length(points, to)


static func _length(points: PackedVector3Array, to: Vector3) -> float:
	if points.is_empty():
		return -1.0
	var end := points[-1]
	if Vector2(end.x, end.z).distance_to(Vector2(to.x, to.z)) > NEAR_M:
		return -1.0
	var length := 0.0
	for index in range(1, points.size()):
		length += points[index - 1].distance_to(points[index])
	return length


static func _direction(here: Vector3, there: Vector3) -> String:
	var east := there.x - here.x
	var south := there.z - here.z
	if is_zero_approx(east) and is_zero_approx(south):
		return "here"
	return _COMPASS[posmod(roundi(atan2(south, east) / (PI / 4)), 8)]


static func _point_of(position: Array) -> Vector3:
	if position.size() < 3:
		return Vector3.ZERO
	var parts: Array[float] = []
	parts.assign(position)
	return Vector3(parts[0], parts[1], parts[2])
