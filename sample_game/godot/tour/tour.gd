class_name Tour
extends Node
## Plays a script of commands, as sample_game/scripts/tour.txt, and tells how it went: the game with
## nobody at the keyboard. Lines of a script are what a player of the terminal game would type.

## All has been played; whether every quest is done.
signal finished(is_won: bool)

## For a command, or until the sidecar is ready: only a hang takes as long.
const TIMEOUT_S := 300.0

## What the command that runs now is.
var current := ""

var _bridge: VillageBridge


func _init(bridge: VillageBridge) -> void:
	_bridge = bridge


## Plays the script. To be awaited.
func play(path: String) -> void:
	for id in _bridge.characters:
		var character := _bridge.characters[id]
		# Nobody is kept waiting, so a slow machine is given the time to answer.
		character.deadline_s = TIMEOUT_S
		character.line_said.connect(
			func(line: NpcLine) -> void: print("%s: %s" % [character.display_name, line.text])
		)
	_bridge.noticed.connect(func(text: String) -> void: print("  ", text))
	_bridge.acted.connect(
		func(npc_id: String, text: String) -> void: print("      - %s: %s" % [npc_id, text])
	)
	await wait_ready()
	var model: Dictionary = NpcBrain.welcome.get("model", {})
	print("sidecar %s, model %s" % [NpcBrain.phase, model.get("name", "none")])
	for line in FileAccess.get_file_as_string(path).split("\n"):
		var command := line.strip_edges()
		if command.is_empty() or command.begins_with("#"):
			continue
		if command == "quit":
			break
		current = command
		print("\n> ", command)
		await run(command)
		await _settle()
	var is_won := _bridge.village.is_won()
	print("\nThe quest is %s." % ("done" if is_won else "not done"))
	finished.emit(is_won)


## Waits until the sidecar has all NPCs and its model. To be awaited.
func wait_ready() -> void:
	await _until(_is_ready, TIMEOUT_S)


## Carries out one command. To be awaited.
func run(command: String) -> void:
	var verb := command.get_slice(" ", 0)
	var rest := command.substr(verb.length() + 1)
	match verb:
		"look":
			print("  You carry %s." % _bridge.village.ledger.items_of(Village.PLAYER))
		"go":
			await _go(_named(rest, _places_and_people())[0])
		"talk":
			var named := _named(rest, _people())
			if await _bridge.approach(named[0]):
				_bridge.talk(named[0], named[1])
		"give":
			var item := _named(rest, _things())
			var person := _named(item[1], _people())
			if await _bridge.approach(person[0]):
				_bridge.give(person[0], item[0])
		"attack":
			var named := _named(rest, _people())
			if await _bridge.approach(named[0]):
				_bridge.attack(named[0])
		"wait":
			await get_tree().create_timer(rest.to_float()).timeout
		_:
			push_error("the tour does not know the command: %s" % command)


## Waits until nothing is said or done, nor will be for what the sidecar was told.
func _settle() -> void:
	var is_settled := false
	while not is_settled:
		await _until(func() -> bool: return not _bridge.is_busy(), TIMEOUT_S)
		var answers: Array[Dictionary] = []
		NpcBrain.send("ping", {}, "", func(told: Dictionary) -> void: answers.append(told))
		await _until(func() -> bool: return not answers.is_empty(), TIMEOUT_S)
		is_settled = not _bridge.is_busy()


func _go(target: String) -> void:
	var ended := await _bridge.walk_player(target)
	if ended["status"] != "done":
		print("  ! ", _bridge.obstacle(ended))
		return
	for place: Dictionary in _bridge.village.world["places"]:
		if place["id"] == target:
			print("  %s. %s" % [str(place["name"]).capitalize(), place.get("description", "")])


func _is_ready() -> bool:
	for id in _bridge.characters:
		if not _bridge.characters[id].is_spawned:
			return false
	return NpcBrain.phase in [&"ready", &"degraded"]


func _until(condition: Callable, timeout_s: float) -> void:
	var until_ms := Time.get_ticks_msec() + roundi(timeout_s * 1000)
	var is_met: bool = condition.call()
	while not is_met:
		if Time.get_ticks_msec() > until_ms:
			push_warning("the tour waited for %s s at: %s" % [timeout_s, current])
			return
		await get_tree().process_frame
		is_met = condition.call()


## The id that a text begins with the longest name of, and the rest of the text.
func _named(text: String, rows: Array[Dictionary]) -> PackedStringArray:
	var best := PackedStringArray(["", text])
	var length := 0
	for row in rows:
		var names: Array = [row["name"], row["id"], str(row["id"]).replace("_", " ")]
		var aliases: Array = row.get("aliases", [])
		for called: String in names + aliases:
			var plain := called.to_lower().trim_prefix("the ")
			var is_first := (text.to_lower() + " ").begins_with(plain + " ")
			if is_first and plain.length() > length:
				length = plain.length()
				best = [str(row["id"]), text.substr(length).strip_edges()]
	if best[0].is_empty():
		push_error("the tour does not know whom or what is meant: %s" % text)
	return best


func _people() -> Array[Dictionary]:
	return _rows("npcs")


func _things() -> Array[Dictionary]:
	return _rows("items")


func _places_and_people() -> Array[Dictionary]:
	var rows := _rows("places")
	rows.append_array(_people())
	return rows


func _rows(kind: String) -> Array[Dictionary]:
	var rows: Array[Dictionary] = []
	for row: Dictionary in _bridge.village.world[kind]:
		rows.append(row)
	return rows
