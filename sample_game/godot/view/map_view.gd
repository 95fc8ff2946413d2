class_name MapView
extends Node2D
## The village's ground, walls and furniture, drawn from the rows of [code]world.json[/code].
##
## Ground that borders on another kind is picked by its four neighbours; see art/make_art.py for the
## order of the tiles. Furniture and trees are sprites, sorted with the people by where they stand.

const TILE := 16
const TILES := preload("res://art/tiles.png")
const PROPS := preload("res://art/props.png")
const TREES := preload("res://art/trees.png")
const GLOW := preload("res://art/glow.png")
const CAT := preload("res://art/cat.png")
const PROP_HEIGHT := 20
const TREE_SIZE := Vector2(32, 40)
const NUM_WATER_FRAMES := 3
const WATER_FRAME_S := 0.45

## Rows of the sheet.
const GRASS_ROW := 0
const GROUND_ROWS: Dictionary[String, int] = {"=": 1, ":": 2, '"': 3, "~": 4}
const SINGLES_ROW := 7
const WALL_TOP := 4
const WALL_FRONT := 5
const WALL_WINDOW := 6
const DOORWAY := 7
const CELLAR_DOOR := 8
const GATE := 10
const PALISADE := 12
const BRIDGE := 13
## What counts as going on at the border of a kind of ground.
const GOES_ON: Dictionary[String, String] = {"=": "=:GH+%", ":": ":=OS+", '"': '"', "~": "~H"}
const PROP_ORDER: PackedStringArray = ["c", "t", "u", "b", "O", "S", "A", "f", "M"]
const INDOORS := ".ctubAfM"
const LIT := "fS"

var _rows: PackedStringArray
var _grass := TileMapLayer.new()
var _ground := TileMapLayer.new()
var _water: Array[TileMapLayer] = []
var _sorted: Node2D
var _doors: Dictionary[Vector2i, int] = {}
var _time_s := 0.0


## Draws the map; furniture becomes children of [param sorted], which sorts by y.
func build(rows: PackedStringArray, sorted: Node2D) -> void:
	_rows = rows
	_sorted = sorted
	var tiles := _tile_set()
	var layers: Array[TileMapLayer] = [_grass]
	for _frame in NUM_WATER_FRAMES:
		_water.append(TileMapLayer.new())
	layers.append_array(_water)
	layers.append(_ground)
	for layer in layers:
		layer.tile_set = tiles
		add_child(layer)
	for y in rows.size():
		for x in rows[y].length():
			_draw_cell(Vector2i(x, y))
	_show_water(0)


## The size of the map in pixels.
func size_px() -> Vector2:
	return Vector2(_rows[0].length(), _rows.size()) * TILE


## The middle of a cell, in pixels.
static func at(cell: Vector2i) -> Vector2:
	return (Vector2(cell) + Vector2(0.5, 0.5)) * TILE


## Shows a door open or shut.
func set_door(cell: Vector2i, is_open: bool) -> void:
	if _doors.has(cell):
		_ground.set_cell(cell, 0, Vector2i(_doors[cell] + int(is_open), SINGLES_ROW))


## Puts the cat and her kittens somewhere.
func add_cat(cell: Vector2i) -> void:
	_add_sprite(CAT, at(cell) + Vector2(0, 6), Rect2(0, 0, TILE, TILE))


func _process(delta: float) -> void:
	_time_s += delta
	_show_water(floori(_time_s / WATER_FRAME_S) % NUM_WATER_FRAMES)


func _show_water(frame: int) -> void:
	for index in _water.size():
		_water[index].visible = index == frame


func _draw_cell(cell: Vector2i) -> void:
	var kind := _kind(cell)
	_grass.set_cell(cell, 0, Vector2i(_noise(cell) % 16, GRASS_ROW))
	match kind:
		"T":
			var rect := Rect2(Vector2((_noise(cell) >> 3) % 4 * TREE_SIZE.x, 0), TREE_SIZE)
			_add_sprite(TREES, at(cell) + Vector2(_noise(cell) % 5 - 2, 7), rect)
		"#":
			_single(cell, _wall(cell))
		"+":
			_single(cell, DOORWAY)
		"%":
			_door(cell, CELLAR_DOOR)
		"G":
			_door(cell, GATE)
		"|":
			_single(cell, PALISADE)
		"H":
			_draw_water(cell)
			_single(cell, BRIDGE)
		"~":
			_draw_water(cell)
		"=", ":", '"':
			_ground.set_cell(cell, 0, Vector2i(_mask(cell, kind), GROUND_ROWS[kind]))
		_ when kind in INDOORS:
			_single(cell, _noise(cell) % 4)
		"O", "S":
			_ground.set_cell(cell, 0, Vector2i(_mask(cell, ":"), GROUND_ROWS[":"]))
	var prop := PROP_ORDER.find(kind)
	if prop >= 0:
		var rect := Rect2(prop * TILE, 0, TILE, PROP_HEIGHT)
		_add_sprite(PROPS, at(cell) + Vector2(0, 8), rect)
	if kind in LIT or (kind == "#" and _wall(cell) == WALL_WINDOW):
		_add_light(at(cell))


func _draw_water(cell: Vector2i) -> void:
	for frame in NUM_WATER_FRAMES:
		var tile := Vector2i(_mask(cell, "~"), GROUND_ROWS["~"] + frame)
		_water[frame].set_cell(cell, 0, tile)


func _single(cell: Vector2i, index: int) -> void:
	_ground.set_cell(cell, 0, Vector2i(index, SINGLES_ROW))


func _door(cell: Vector2i, index: int) -> void:
	_doors[cell] = index
	_single(cell, index)


## A wall shows its front where one looks at it from the south, with windows to the outside.
func _wall(cell: Vector2i) -> int:
	var below := _kind(cell + Vector2i.DOWN)
	if below in "#+%":
		return WALL_TOP
	var is_outside := not below in INDOORS
	return WALL_WINDOW if is_outside and cell.x % 3 == 1 else WALL_FRONT


func _mask(cell: Vector2i, kind: String) -> int:
	var mask := 0
	var sides: Array[Vector2i] = [Vector2i.UP, Vector2i.RIGHT, Vector2i.DOWN, Vector2i.LEFT]
	for bit in 4:
		var neighbour := cell + sides[bit]
		if _is_outside_map(neighbour) or _kind(neighbour) in GOES_ON[kind]:
			mask |= 1 << bit
	return mask


func _is_outside_map(cell: Vector2i) -> bool:
	return cell.y < 0 or cell.y >= _rows.size() or cell.x < 0 or cell.x >= _rows[0].length()


func _kind(cell: Vector2i) -> String:
	return " " if _is_outside_map(cell) else _rows[cell.y][cell.x]


func _add_sprite(sheet: Texture2D, foot: Vector2, rect: Rect2) -> void:
	var sprite := Sprite2D.new()
	sprite.texture = sheet
	sprite.region_enabled = true
	sprite.region_rect = rect
	sprite.position = foot
	sprite.offset = Vector2(0, -rect.size.y / 2)
	_sorted.add_child(sprite)


func _add_light(where: Vector2) -> void:
	var light := Sprite2D.new()
	light.texture = GLOW
	light.position = where
	light.scale = Vector2(0.8, 0.8)
	var additive := CanvasItemMaterial.new()
	additive.blend_mode = CanvasItemMaterial.BLEND_MODE_ADD
	light.material = additive
	add_child(light)


static func _noise(cell: Vector2i) -> int:
	return absi(hash(cell * 7919))


static func _tile_set() -> TileSet:
	var source := TileSetAtlasSource.new()
	source.texture = TILES
	source.texture_region_size = Vector2i(TILE, TILE)
	for y in floori(TILES.get_height() / float(TILE)):
		for x in 16:
			source.create_tile(Vector2i(x, y))
	var tiles := TileSet.new()
	tiles.tile_size = Vector2i(TILE, TILE)
	tiles.add_source(source, 0)
	return tiles
