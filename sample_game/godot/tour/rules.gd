extends Node
## Carries out the operations of a JSON file on a fresh village, and prints what came of each, for
## the comparison with the terminal game's rules: see tests/bridges/test_godot_tavern.py.


func _ready() -> void:
	var file := VillageFiles.read_json("world.json")
	var inventories: Dictionary = {}
	for npc: Dictionary in file["npcs"]:
		var path := VillageFiles.path_of("npcs/%s.yaml" % npc["id"])
		inventories[npc["id"]] = VillageBridge.inventory_in(path)
	var village := Village.new(file, inventories)
	for operation in VillageFiles.read_rows(OS.get_cmdline_user_args()[0]):
		var actor: String = operation["actor"]
		var id: int = operation["id"]
		var tool: String = operation["tool"]
		var args: Dictionary = operation["args"]
		var updates: Array = []
		for update in village.begin(actor, id, tool, args):
			updates.append([update["status"], update["reason"]])
		var held: Dictionary = {}
		for owner_id in village.ledger.owners():
			held[owner_id] = village.ledger.items_of(owner_id)
		print(JSON.stringify({"updates": updates, "inventories": held}, "", false))
	get_tree().quit()
