extends "res://tests/nodes/npc_case.gd"
## NpcWorld: snapshots, patches, the ground, and what it sees in the scene.


func test_a_frame_is_one_patch() -> void:
	var world := await _add_world()
	world.set_item("ale", "mug of ale", {"price": 2})
	world.set_entity("player", "Ann", "player", Vector2i(1, 1))
	await frames(2)
	var first := client.last_body("world.patch")
	check_equal(first.keys(), ["base_revision", "revision", "items", "entities"], "fields")
	world.move_entity("player", Vector2i(2, 1))
	world.move_entity("player", Vector2i(3, 1))
	world.set_inventory("player", {"ale": 1})
	world.set_fact("is_raining", true)
	await frames(2)
	check_equal(client.count("world.patch"), 2, "one patch")
	check_equal(
		client.last_body("world.patch"),
		{
			"base_revision": 2,
			"revision": 3,
			"entities": [{"id": "player", "name": "Ann", "kind": "player", "position": [3, 1]}],
			"inventories": {"player": {"items": {"ale": 1}, "equipped": {}}},
			"facts": {"is_raining": true},
		},
		"body"
	)
	world.set_fact("is_raining", true)
	world.set_inventory("player", {"ale": 1})
	world.move_entity("player", Vector2i(3, 1))
	await frames(2)
	check_equal(client.count("world.patch"), 2, "what did not change is not told")


func test_what_is_removed_is_told() -> void:
	var world := await _add_world()
	world.set_fact("a", 1)
	world.set_fact("b", 2)
	await frames(2)
	world.remove("facts", "a")
	world.remove("facts", "unknown")
	await frames(2)
	check_equal(client.last_body("world.patch")["removed"], {"facts": ["a"]}, "removed")


func test_a_gap_and_a_new_link_bring_the_whole_world() -> void:
	var world := await _add_world()
	world.set_fact("a", 1)
	await frames(2)
	client.answer("world.patch", "error", {"code": "resync", "message": "gap"})
	check_equal(client.count("world.sync"), 2, "a gap")
	client.lose()
	world.set_fact("a", 2)
	await frames(2)
	check_equal(client.count("world.patch"), 1, "nothing without a link")
	client.link(true)
	check_equal(client.last_body("world.sync")["facts"], {"a": 2}, "a new link")
	await frames(2)
	check_equal(client.count("world.patch"), 1, "which leaves nothing to patch")


func test_the_world_is_told_before_characters_spawn() -> void:
	var character := add_character()
	add_child(_world())
	client.link()
	await frames(1)
	var types: Array = client.sent.map(func(message: Dictionary) -> String: return message["type"])
	check_equal(types.slice(0, 2), ["world.sync", "npc.spawn"], "order")
	client.answer("npc.spawn", "npc.state", {"to": "tending_bar", "event": "spawn"})
	check(character.is_spawned, "spawned")


func test_a_nav_grid_and_its_doors() -> void:
	var world := await _add_world()
	world.set_nav_grid(3, 2, PackedByteArray([1, 0, 2, 1, 1, 1]))
	await frames(2)
	var nav: Dictionary = client.last_body("world.patch")["nav"]
	check_equal(nav.keys(), ["kind", "width", "height", "cells"], "fields")
	check_equal(world.cost_of(Vector2i(2, 0)), 2, "cost")
	check_equal(world.cost_of(Vector2i(3, 0)), 0, "outside is blocked")
	world.set_cell_cost(Vector2i(1, 0), 1)
	await frames(2)
	check_equal(
		client.last_body("world.patch")["nav_cells"], [{"cell": [1, 0], "cost": 1}], "a door opens"
	)
	client.lose()
	client.link()
	var cells: PackedByteArray = client.last_body("world.sync")["nav"]["cells"]
	check_equal(cells, PackedByteArray([1, 1, 2, 1, 1, 1]), "and stays open")


func test_a_tile_map_is_a_nav_grid() -> void:
	var world := _world()
	world.tile_map = _tile_map()
	add_child(world.tile_map)
	add_child(world)
	client.link()
	var nav: Dictionary = client.last_body("world.sync")["nav"]
	check_equal([nav["width"], nav["height"]], [3, 2], "size")
	# The map begins at (-1, 4): grass costs 2, a wall is blocked, and so is what has no tile.
	check_equal(nav["cells"], PackedByteArray([2, 0, 0, 2, 2, 2]), "cells")
	var cell := Vector2i(2, 1)
	check_equal(world.cell_at(world.point_of(cell)), cell, "cells and points convert")
	check_equal(world.cell_at(Vector2(-8, 72)), Vector2i.ZERO, "the corner")


func test_characters_and_markers_of_the_scene_are_told() -> void:
	var actor := Node3D.new()
	actor.position = Vector3(1, 0, 2)
	var character := add_character(actor)
	var mill := Node3D.new()
	mill.position = Vector3(9, 0, 9)
	var marker := NpcMarker.new()
	marker.id = "mill"
	marker.display_name = "the old mill"
	marker.tags = ["shop"]
	mill.add_child(marker)
	add_child(mill)
	var world := _world()
	world.look_interval_s = 0.02
	add_child(world)
	client.link()
	var body := client.last_body("world.sync")
	check_equal(
		body["entities"],
		[{"id": "berta", "name": "Berta", "kind": "npc", "position": [1.0, 0.0, 2.0]}],
		"characters"
	)
	check_equal(body["places"][0]["position"], [9.0, 0.0, 9.0], "places")
	check_equal(world.ids_tagged("shop"), PackedStringArray(["mill"]), "tags")
	client.sent.clear()
	actor.position.x = 4
	await until(func() -> bool: return client.count("world.patch") > 0, "a patch")
	check_equal(
		client.last_body("world.patch")["entities"][0]["position"], [4.0, 0.0, 2.0], "it moved"
	)
	check_equal(character.display_name, "Berta", "name")
	client.sent.clear()
	mill.free()
	await until(func() -> bool: return client.count("world.patch") > 0, "a patch")
	check_equal(client.last_body("world.patch")["removed"], {"places": ["mill"]}, "it left")


func test_on_a_grid_of_its_own_the_game_tells_who_stands_where() -> void:
	add_character(Node2D.new())
	var world := await _add_world()
	world.set_nav_grid(2, 1, PackedByteArray([1, 1]))
	world.set_entity("berta", "Berta", "npc", Vector2i(1, 0))
	world._look_at_scene()
	check_equal(world.position_of("berta"), [1, 0], "the scene does not know better")


func test_the_navigation_server_answers_the_way() -> void:
	var actor := Node3D.new()
	var character := add_character(actor)
	var world := _world()
	add_child(world)
	add_child(_region())
	client.link()
	await frames(1)
	world.set_place("well", "the well", Vector3(4, 0, 0))
	world.set_place("moon", "the moon", Vector3(90, 0, 0), {"tags": ["shop"]})
	var map := actor.get_world_3d().navigation_map
	await until(
		func() -> bool:
			return not (
				NavigationServer3D
				. map_get_path(map, Vector3.ZERO, Vector3(4, 0, 0), true)
				. is_empty()
			),
		"the navigation mesh"
	)
	var answer := _ask("find_path", {"target": "well"})
	check_equal(answer["ok"], true, "there is a way")
	check_equal(answer["result"]["steps"], 4, "metres")
	check_equal(answer["result"]["direction"], "east", "direction")
	check_equal(_ask("find_path", {"target": "moon"})["error"], "unreachable", "no way")
	check_equal(_ask("is_reachable", {"target": "moon"})["result"]["reachable"], false, "no way")
	check_equal(_ask("nearest", {"tag": "shop"})["error"], "unreachable", "none")
	check_equal(_ask("plan_route", {"stops": ["well"]})["result"]["stops"], ["well"], "route")
	check_equal(_ask("find_path", {"target": "?"})["error"], "unknown_target", "unknown")
	client.answer("npc.spawn", "npc.state", {"to": "tending_bar", "event": "spawn"})
	check(character.is_spawned, "spawned")


func test_minds_are_saved_and_loaded() -> void:
	var world := await _add_world()
	client.answer.call_deferred("state.save", "state.saved", {"blob": PackedByteArray([3])})
	check_equal(await world.save_state(["berta"]), PackedByteArray([3]), "save")
	check_equal(client.last_body("state.save"), {"npc_ids": ["berta"]}, "whose")
	client.answer.call_deferred("state.load", "ok")
	check_equal(await world.load_state(PackedByteArray([3])), true, "load")


func _ask(tool: String, args: Dictionary) -> Dictionary:
	var body := {"call_id": 2, "tool": tool, "args": args, "timeout_ms": 1000}
	client.deliver("berta", "tool.call", body)
	return client.last_body("tool.result")


func _world() -> NpcWorld:
	var world := NpcWorld.new()
	world.client = client
	return world


func _add_world() -> NpcWorld:
	client.link()
	var world := _world()
	add_child(world)
	await frames(1)
	return world


func _tile_map() -> TileMapLayer:
	var source := TileSetAtlasSource.new()
	source.texture = ImageTexture.create_from_image(Image.create(32, 16, false, Image.FORMAT_RGB8))
	source.texture_region_size = Vector2i(16, 16)
	var tiles := TileSet.new()
	tiles.add_custom_data_layer()
	tiles.set_custom_data_layer_name(0, "cost")
	tiles.set_custom_data_layer_type(0, TYPE_INT)
	tiles.add_source(source, 0)
	var costs: Array[int] = [2, 0]
	for column in costs.size():
		source.create_tile(Vector2i(column, 0))
		source.get_tile_data(Vector2i(column, 0), 0).set_custom_data("cost", costs[column])
	var layer := TileMapLayer.new()
	layer.tile_set = tiles
	layer.set_cell(Vector2i(-1, 4), 0, Vector2i(0, 0))
	layer.set_cell(Vector2i(0, 4), 0, Vector2i(1, 0))
	for column: int in [-1, 0, 1]:
		layer.set_cell(Vector2i(column, 5), 0, Vector2i(0, 0))
	return layer


## Ground of 20 x 20 metres around the origin.
func _region() -> NavigationRegion3D:
	var mesh := NavigationMesh.new()
	mesh.vertices = PackedVector3Array(
		[Vector3(-10, 0, -10), Vector3(-10, 0, 10), Vector3(10, 0, 10), Vector3(10, 0, -10)]
	)
	mesh.add_polygon(PackedInt32Array([0, 1, 2, 3]))
	var region := NavigationRegion3D.new()
	region.navigation_mesh = mesh
	return region
