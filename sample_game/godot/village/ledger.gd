class_name VillageLedger
extends RefCounted
## Who holds what. Items move and are used up here, and nowhere else; nothing comes from nothing.

var _held: Dictionary[String, Dictionary] = {}
var _equipped: Dictionary[String, Dictionary] = {}
var _changed: Dictionary[String, bool] = {}


## Gives an owner what they have at the start.
func add_owner(owner_id: String, stacks: Dictionary) -> void:
	var counts: Dictionary = {}
	for item: String in stacks:
		var number: int = stacks[item]
		if number > 0:
			counts[item] = number
	_held[owner_id] = counts
	_equipped[owner_id] = {}


## Whether somebody can hold things.
func has_owner(owner_id: String) -> bool:
	return _held.has(owner_id)


## All who can hold things.
func owners() -> Array[String]:
	return _held.keys()


## How many of an item somebody holds.
func count(owner_id: String, item: String) -> int:
	return _held[owner_id].get(item, 0) if _held.has(owner_id) else 0


## What somebody holds, counts by item id.
func items_of(owner_id: String) -> Dictionary:
	return _held[owner_id].duplicate()


## What somebody wears, items by slot.
func equipped_of(owner_id: String) -> Dictionary:
	return _equipped[owner_id].duplicate()


## Moves a stack; gives who has too little, or an empty text when it is done.
func transfer(giver: String, taker: String, item: String, number: int) -> String:
	if count(giver, item) < number:
		return giver
	_add(giver, item, -number)
	_add(taker, item, number)
	return ""


## Moves two stacks at once, or neither; gives who has too little.
func exchange(first: String, gives: Array, second: String, gets: Array) -> String:
	var given: String = gives[0]
	var num_given: int = gives[1]
	var got: String = gets[0]
	var num_got: int = gets[1]
	if count(first, given) < num_given:
		return first
	if count(second, got) < num_got:
		return second
	transfer(first, second, given, num_given)
	transfer(second, first, got, num_got)
	return ""


## Takes one out of the world.
func use_up(owner_id: String, item: String) -> void:
	if count(owner_id, item) > 0:
		_add(owner_id, item, -1)


## Puts an item on; whether it is held.
func equip(owner_id: String, slot: String, item: String) -> bool:
	if count(owner_id, item) < 1:
		return false
	_equipped[owner_id][slot] = item
	_changed[owner_id] = true
	return true


## Those whose things have changed since the last call.
func take_changed() -> Array[String]:
	var changed := _changed.keys()
	_changed = {}
	return changed


func _add(owner_id: String, item: String, number: int) -> void:
	var stacks := _held[owner_id]
	stacks[item] = count(owner_id, item) + number
	if stacks[item] == 0:
		stacks.erase(item)
		for slot: String in _equipped[owner_id].keys():
			if _equipped[owner_id][slot] == item:
				_equipped[owner_id].erase(slot)
	_changed[owner_id] = true
