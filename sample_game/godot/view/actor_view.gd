class_name ActorView
extends Node2D
## Someone on the map: walks smoothly to the cell where the rules have put them.

const FRAME_S := 0.16
## Walks that are further behind than this jump.
const MAX_LAG_CELLS := 4.0
const FEET := Vector2(0, 7)
const ROWS: Dictionary[Vector2i, int] = {
	Vector2i.DOWN: 0, Vector2i.UP: 1, Vector2i.LEFT: 2, Vector2i.RIGHT: 3
}

## Where they look, one of the four directions.
var facing := Vector2i.DOWN
## Cells a second.
var speed := 4.0

var _sprite := Sprite2D.new()
var _target := Vector2.ZERO
var _time_s := 0.0


func _init(sheet: Texture2D) -> void:
	_sprite.texture = sheet
	_sprite.hframes = 2
	_sprite.vframes = 4
	_sprite.offset = Vector2(0, -12)
	add_child(_sprite)


## Puts them on a cell at once.
func place(cell: Vector2i) -> void:
	_target = MapView.at(cell) + FEET
	position = _target


## Lets them walk to a cell.
func walk_to(cell: Vector2i) -> void:
	_target = MapView.at(cell) + FEET
	if position.distance_to(_target) > MAX_LAG_CELLS * MapView.TILE:
		position = _target


## Turns them towards somebody.
func face(other: Vector2) -> void:
	var away := other - position
	if away.length() > 1.0:
		facing = _direction(away)


## Where a bubble above them points to, in the coordinates of their parent.
func head() -> Vector2:
	return position + Vector2(0, -25)


func _process(delta: float) -> void:
	var step := speed * MapView.TILE * delta
	var away := _target - position
	var is_walking := away.length() > 0.1
	if is_walking:
		facing = _direction(away)
		position = position.move_toward(_target, step)
		_time_s += delta
	_sprite.frame = ROWS[facing] * 2 + (floori(_time_s / FRAME_S) % 2 if is_walking else 0)


static func _direction(away: Vector2) -> Vector2i:
	if absf(away.x) > absf(away.y):
		return Vector2i.RIGHT if away.x > 0 else Vector2i.LEFT
	return Vector2i.DOWN if away.y > 0 else Vector2i.UP
