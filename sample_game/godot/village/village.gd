class_name Village
extends RefCounted
## The village and its rules: the authority that carries out what NPCs ask for, or refuses.
##
## The same rules as those of the terminal game (npc_brain/simulation), from the same world.json.
## Knows neither the sidecar nor the screen: actions come in, updates and events come out.

const PLAYER := "player"
const MAX_STEP_S := 0.1
const HEARING_CELLS := 30
## A player who comes this near raises [code]player_near[/code]…
const NEAR_CELLS := 4
## …and does so again only after having been at least this far away.
const FAR_CELLS := 7

## What world.json says.
var world: Dictionary
## Who holds what.
var ledger := VillageLedger.new()
## Who stands where.
var ground: VillageGround
## Items by id.
var items: Dictionary[String, Dictionary] = {}
## Characters and objects by id.
var things: Dictionary[String, Dictionary] = {}
## The NPCs, in the order of the file.
var npc_ids: Array[String] = []
## Facts by id.
var facts: Dictionary = {}
## How many steps of each quest are done, by its id.
var num_done: Dictionary[String, int] = {}

var _walkers: VillageWalkers
var _deals: VillageDeals
var _names: Dictionary[String, String] = {}
var _states: Dictionary[String, PackedStringArray] = {}
var _near: Dictionary[String, bool] = {}
var _changed_facts: Dictionary[String, bool] = {}
var _events: Array[Dictionary] = []
var _notices := PackedStringArray()


## [param inventories] are the NPCs' things by id, for whom the file states nothing.
func _init(of_world: Dictionary, inventories: Dictionary) -> void:
	world = of_world
	for item: Dictionary in world["items"]:
		items[str(item["id"])] = item
	for place: Dictionary in world["places"]:
		_names[str(place["id"])] = place["name"]
	ground = VillageGround.new(world, ledger)
	_walkers = VillageWalkers.new(ground)
	_deals = VillageDeals.new(self)
	var player: Dictionary = world["player"]
	_add_thing(player)
	_add_owner(player, {})
	for npc: Dictionary in world["npcs"]:
		npc_ids.append(str(npc["id"]))
		_add_thing(npc)
		var stacks: Dictionary = inventories.get(npc["id"], {})
		_add_owner(npc, stacks)
	for thing: Dictionary in world["objects"]:
		_add_thing(thing)
	var first_facts: Dictionary = world["facts"]
	facts = first_facts.duplicate()
	for door: Dictionary in world["doors"]:
		facts["door.%s" % door["id"]] = false
	for quest: Dictionary in world["quests"]:
		num_done[str(quest["id"])] = 0


## The name of a place, character, object or item; the id itself if unknown.
func name_of(id: String) -> String:
	return items[id]["name"] if items.has(id) else _names.get(id, id)


## The text of a quest's step to do next; empty when it is done.
func current_step(quest: Dictionary) -> String:
	var steps: Array = quest["steps"]
	var done := num_done[str(quest["id"])]
	return steps[done]["text"] if done < steps.size() else ""


## Whether every quest is done.
func is_won() -> bool:
	for quest: Dictionary in world["quests"]:
		if not current_step(quest).is_empty():
			return false
	return true


## Begins an action; gives the updates so far, which may include its end.
func begin(actor: String, id: int, tool: String, args: Dictionary) -> Array[Dictionary]:
	var updates: Array[Dictionary] = []
	if tool == "go_to" or tool == "follow":
		updates = _begin_walk(actor, id, tool, args)
	elif tool == "stop":
		updates = _walkers.end(actor, "cancelled", "stopped")
		updates.append(VillageWalkers.update(actor, id, "accepted"))
		updates.append(VillageWalkers.update(actor, id, "done"))
	else:
		updates = _deals.carry_out(actor, id, tool, args)
	_check_quests()
	return updates


## Sets out for a cell, as a click does.
func begin_walk_to_cell(actor: String, id: int, cell: Vector2i) -> Array[Dictionary]:
	ground.set_mark(cell)
	return _walkers.begin(actor, id, VillageGround.MARK, "there", false)


## Ends an action that is no longer wanted; nothing when it has ended.
func cancel(actor: String, id: int) -> Array[Dictionary]:
	if _walkers.action_of(actor) != id:
		return []
	return _walkers.end(actor, "cancelled", "cancelled")


## Whether somebody walks.
func is_walking(actor: String) -> bool:
	return _walkers.is_walking(actor)


## Lets time pass.
func tick(delta: float) -> Array[Dictionary]:
	var updates: Array[Dictionary] = []
	var num_steps := maxi(1, ceili(delta / MAX_STEP_S - 1e-9))
	for _step in num_steps:
		var opened: Array[Array] = []
		updates.append_array(_walkers.tick(delta / num_steps, opened))
		for pair in opened:
			var door: Dictionary = pair[1]
			set_fact("door.%s" % door["id"], true)
			if pair[0] == PLAYER and door.has("opened"):
				_notices.append(str(door["opened"]))
		_notice_player()
		_check_quests()
	return updates


## Moves the player by one cell, as a key press does; whether it could be.
func step_player(direction: Vector2i) -> bool:
	var cell := ground.positions[PLAYER] + direction
	if not ground.can_enter(PLAYER, cell) or ground.is_taken(cell, PLAYER):
		return false
	var door := ground.move(PLAYER, cell)
	if not door.is_empty():
		set_fact("door.%s" % door["id"], true)
		_notices.append(str(door.get("opened", "")))
	_notice_player()
	_check_quests()
	return true


## The player hands something over; whether they had it.
func give_from_player(npc_id: String, item: String, number: int) -> bool:
	if not ledger.transfer(PLAYER, npc_id, item, number).is_empty():
		return false
	received(npc_id, item, number, PLAYER)
	_check_quests()
	return true


## Tells an NPC that it was handed something.
func received(owner_id: String, item: String, number: int, giver: String) -> void:
	if owner_id in npc_ids:
		_raise(owner_id, "received", {"item": item, "count": number, "by": giver})


## The player attacks an NPC; those within hearing notice.
func attack(npc_id: String) -> void:
	_raise(npc_id, "attacked", {"by": PLAYER})
	for other in npc_ids:
		if other != npc_id and ground.is_near(npc_id, other, HEARING_CELLS):
			_raise(other, "saw_attack", {"by": PLAYER, "victim": npc_id})


## States a fact.
func set_fact(id: String, value: Variant) -> void:
	facts[id] = value
	_changed_facts[id] = true


## Takes note of an NPC's state; it may be a path such as [code]working.forging[/code].
func note_state(npc_id: String, state: String) -> void:
	_states[npc_id] = state.replace("/", ".").split(".")
	_check_quests()


## The reason of the first rule that refuses an action; empty when it may be done. [param gives] and
## [param gets] are [item, count], or empty.
func refusal(npc_id: String, tool: String, gives: Array, gets: Array) -> String:
	for rule: Dictionary in world["rules"]:
		if _applies(rule, npc_id, tool, gives, gets):
			return rule["reason"]
	return ""


## What happened to NPCs since the last call: maps of npc_id, event, data.
func take_events() -> Array[Dictionary]:
	var events := _events
	_events = []
	return events


## What the player should read.
func take_notices() -> PackedStringArray:
	var notices := _notices
	_notices = PackedStringArray()
	return notices


## Facts that have changed since the last call.
func take_changed_facts() -> Array[String]:
	var changed := _changed_facts.keys()
	_changed_facts = {}
	return changed


func _add_thing(thing: Dictionary) -> void:
	var id: String = thing["id"]
	things[id] = thing
	_names[id] = thing["name"]
	ground.positions[id] = VillageGround.cell_of(thing["position"])
	var speed: float = thing.get("speed_cells_per_s", 4.0)
	_walkers.set_speed(id, speed)


func _add_owner(character: Dictionary, otherwise: Dictionary) -> void:
	var stacks: Dictionary = character.get("inventory", otherwise)
	ledger.add_owner(str(character["id"]), stacks)


func _begin_walk(actor: String, id: int, tool: String, args: Dictionary) -> Array[Dictionary]:
	var target := str(args.get("person" if tool == "follow" else "target", ""))
	if not ground.knows(target) or target == actor:
		return [VillageWalkers.update(actor, id, "refused", "unknown_target")]
	var reason := refusal(actor, tool, [], [])
	if not reason.is_empty():
		return [VillageWalkers.update(actor, id, "refused", reason)]
	return _walkers.begin(actor, id, target, name_of(target), tool == "follow")


func _applies(rule: Dictionary, npc_id: String, tool: String, gives: Array, gets: Array) -> bool:
	if rule["refuse"] != tool or rule.get("npc", npc_id) != npc_id:
		return false
	if rule.has("item") and (gives.is_empty() or gives[0] != rule["item"]):
		return false
	if rule.has("unless_for") and not gets.is_empty() and gets[0] == rule["unless_for"]:
		return false
	if rule.get("below_price", false) and not _is_below_price(gives, gets):
		return false
	var when: Dictionary = rule.get("when", {})
	return when.is_empty() or _is_true(when)


func _is_below_price(gives: Array, gets: Array) -> bool:
	if not gives.is_empty() and _price(str(gives[0])) < 0:
		return true
	return _worth(gets) < _worth(gives)


func _worth(stack: Array) -> int:
	if stack.is_empty():
		return 0
	var number: int = stack[1]
	return maxi(0, _price(str(stack[0]))) * number


func _price(item: String) -> int:
	return 1 if item == world["currency"] else items[item].get("price", -1)


# gdlint: disable=max-returns
func _is_true(condition: Dictionary) -> bool:
	var kind: String = condition.keys()[0]
	var what: Variant = condition[kind]
	if kind == "all" or kind == "any":
		var parts: Array = what
		for part: Dictionary in parts:
			if _is_true(part) == (kind == "any"):
				return kind == "any"
		return kind == "all"
	var of: Dictionary = what
	match kind:
		"holds":
			return ledger.count(str(of["who"]), str(of["item"])) >= of.get("count", 1)
		"fact":
			return facts.get(of["id"]) == of.get("value", true)
		"at":
			return ground.is_near(str(of["who"]), str(of["place"]), 1)
		"state":
			for state: String in of["states"]:
				if state in _states.get(of["npc"], PackedStringArray()):
					return true
			return false
		"not":
			return not _is_true(of)
	push_error("a condition has one of holds, fact, at, state, all, any, not; got %s" % kind)
	return false


# gdlint: enable=max-returns


func _notice_player() -> void:
	var here := ground.positions[PLAYER]
	for npc_id in npc_ids:
		var apart := VillageGround.apart(here, ground.positions[npc_id])
		if apart <= NEAR_CELLS and not _near.has(npc_id):
			_near[npc_id] = true
			_raise(npc_id, "player_near", {"by": PLAYER})
		elif apart >= FAR_CELLS:
			_near.erase(npc_id)


## Ticks off the steps that are done by now; a later one takes those before it along.
func _check_quests() -> void:
	for quest: Dictionary in world["quests"]:
		var id: String = quest["id"]
		var steps: Array = quest["steps"]
		var first := num_done[id]
		var reached := -1
		for index in range(first, steps.size()):
			var when: Dictionary = steps[index]["when"]
			if _is_true(when):
				reached = index
		for index in range(first, reached + 1):
			var step: Dictionary = steps[index]
			_finish(step)
		num_done[id] = maxi(first, reached + 1)


func _finish(step: Dictionary) -> void:
	if step.has("done"):
		_notices.append(str(step["done"]))
	var raises: Dictionary = step.get("raises", {})
	for npc_id: String in raises:
		_raise(npc_id, str(raises[npc_id]), {})


func _raise(npc_id: String, event: String, data: Dictionary) -> void:
	_events.append({"npc_id": npc_id, "event": event, "data": data})
