extends Node
## Prints the player's way to every cell of a fresh village, a line each in reading order, for the
## comparison with the terminal game's ways: see tests/bridges/test_godot_ways.py.


func _ready() -> void:
	var village := Village.new(VillageFiles.read_json("world.json"), {})
	for y in village.ground.size.y:
		for x in village.ground.size.x:
			var cells: Array = []
			for cell in village.ground.path(Village.PLAYER, Vector2i(x, y)):
				cells.append([cell.x, cell.y])
			print(JSON.stringify(cells))
	get_tree().quit()
