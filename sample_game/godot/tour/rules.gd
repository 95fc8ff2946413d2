extends Node
## Repeats recorded deals on a fresh village and reports what came out differently; the exit code is 1
## then. The recording, one JSON object a line, is the terminal game's: schemas/golden/village.


func _ready() -> void:
	var file := VillageFiles.read_json("world.json")
	var inventories: Dictionary = {}
	for npc: Dictionary in file["npcs"]:
		var path := VillageFiles.path_of("npcs/%s.yaml" % npc["id"])
		inventories[npc["id"]] = VillageBridge.inventory_in(path)
	var village := Village.new(file, inventories)
	var wanted: Dictionary = {}
	var num_deals := 0
	for record in VillageFiles.read_lines(OS.get_cmdline_user_args()[0]):
		var changed: Dictionary = record.get("inventories", {})
		wanted.merge(changed, true)
		if record.has("move"):
			var walker: String = record["move"]
			village.ground.move(walker, VillageGround.cell_of(record["to"]))
		elif record.has("tool"):
			num_deals += 1
			var updates := _updates(village, record)
			if updates != record["updates"]:
				_fail("%s gave %s" % [JSON.stringify(record), JSON.stringify(updates)])
				return
		if _held(village) != wanted:
			_fail("%s left %s" % [JSON.stringify(record), JSON.stringify(_held(village))])
			return
	print("%d deals as recorded" % num_deals)
	get_tree().quit()


func _fail(problem: String) -> void:
	print(problem)
	get_tree().quit(1)


static func _updates(village: Village, record: Dictionary) -> Array:
	var actor: String = record["actor"]
	var id: int = record["id"]
	var tool: String = record["tool"]
	var args: Dictionary = record["args"]
	return village.begin(actor, id, tool, args).map(
		func(update: Dictionary) -> Array: return [update["status"], update["reason"]]
	)


static func _held(village: Village) -> Dictionary:
	var held: Dictionary = {}
	for owner_id in village.ledger.owners():
		held[owner_id] = village.ledger.items_of(owner_id)
	return held
