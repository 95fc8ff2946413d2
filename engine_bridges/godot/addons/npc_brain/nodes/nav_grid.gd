extends RefCounted
## A nav grid: one cost byte a cell, row by row; 0 is blocked.

const NavGrid := preload("res://addons/npc_brain/nodes/nav_grid.gd")
const MAX_COST := 255

## Columns and rows.
var size: Vector2i
## The tile map's coordinates of cell (0, 0).
var origin := Vector2i.ZERO

var _cells: PackedByteArray


func _init(grid_size: Vector2i, cells: PackedByteArray) -> void:
	size = grid_size
	_cells = cells


## The used part of a tile map; a tile's cost is in its custom data [param cost_data].
static func from_tile_map(layer: TileMapLayer, cost_data: String) -> NavGrid:
	var used := layer.get_used_rect()
	var has_costs := (
		layer.tile_set != null and layer.tile_set.get_custom_data_layer_by_name(cost_data) >= 0
	)
	var cells := PackedByteArray()
	cells.resize(maxi(1, used.size.x) * maxi(1, used.size.y))
	for cell in layer.get_used_cells():
		var cost := 1
		if has_costs:
			var tile := layer.get_cell_tile_data(cell)
			cost = clampi(roundi(float(str(tile.get_custom_data(cost_data)))), 0, MAX_COST)
		var at := cell - used.position
		cells[at.y * used.size.x + at.x] = cost
	var grid := NavGrid.new(used.size.max(Vector2i.ONE), cells)
	grid.origin = used.position
	return grid


## The cost of entering a cell; 0 when it is blocked or outside.
func cost_of(cell: Vector2i) -> int:
	return _cells[cell.y * size.x + cell.x] if _has(cell) else 0


## Changes a cell; whether there is such a cell.
func set_cost(cell: Vector2i, cost: int) -> bool:
	if not _has(cell):
		return false
	_cells[cell.y * size.x + cell.x] = clampi(cost, 0, MAX_COST)
	return true


## The grid as it travels.
func to_body() -> Dictionary:
	return {"kind": "grid", "width": size.x, "height": size.y, "cells": _cells.duplicate()}


func _has(cell: Vector2i) -> bool:
	return Rect2i(Vector2i.ZERO, size).has_point(cell)
