class_name VillageDeals
extends RefCounted
## The actions that end at once: handing over, trading, using, equipping, gestures.
##
## Each is refused when it is malformed, out of reach, against a rule of the world file, or when
## somebody does not hold what it takes; otherwise it is done.

const MAX_COUNT := 1_000_000
const FOOD_TAGS: PackedStringArray = ["food", "drink"]

var _village: Village


func _init(village: Village) -> void:
	_village = village


## Carries out one action; always ends it.
func carry_out(actor: String, id: int, tool: String, args: Dictionary) -> Array[Dictionary]:
	var data: Dictionary = {}
	var reason := "unknown_action"
	match tool:
		"inventory_give":
			reason = _hand_over(tool, actor, args, true, data)
		"inventory_take":
			reason = _hand_over(tool, actor, args, false, data)
		"inventory_trade":
			reason = _trade(actor, args, data)
		"inventory_use":
			reason = _use(actor, args, data)
		"inventory_equip":
			reason = _equip(actor, args, data)
		"emote":
			reason = ""
			data.merge(args)
	if not reason.is_empty():
		return [VillageWalkers.update(actor, id, "refused", reason, data)]
	return [
		VillageWalkers.update(actor, id, "accepted"),
		VillageWalkers.update(actor, id, "done", "", data)
	]


func _hand_over(
	tool: String, actor: String, args: Dictionary, actor_gives: bool, data: Dictionary
) -> String:
	var other := _other(actor, args)
	var stack := _stack(args, "item", "count")
	if other.is_empty() or stack.is_empty():
		return "bad_arguments"
	var item: String = stack[0]
	var number: int = stack[1]
	data["item"] = item
	data["item_name"] = _village.name_of(item)
	data["count"] = number
	data["target"] = other
	data["target_name"] = _village.name_of(other)
	var reason := _reason_against(
		tool, actor, other, stack if actor_gives else [], [] if actor_gives else stack
	)
	if not reason.is_empty():
		return reason
	var giver := actor if actor_gives else other
	var taker := other if actor_gives else actor
	var short := _village.ledger.transfer(giver, taker, item, number)
	if not short.is_empty():
		data["held"] = _village.ledger.count(short, item)
		return "not_held" if short == actor else "speaker_lacks"
	_village.received(taker, item, number, giver)
	return ""


func _trade(actor: String, args: Dictionary, data: Dictionary) -> String:
	var other := _other(actor, args)
	var gives := _stack(args, "give_item", "give_count")
	var gets := _stack(args, "take_item", "take_count")
	if other.is_empty() or gives.is_empty() or gets.is_empty():
		return "bad_arguments"
	for side: Array in [["give", gives], ["take", gets]]:
		var prefix: String = side[0]
		var stack: Array = side[1]
		data[prefix + "_item"] = stack[0]
		data[prefix + "_item_name"] = _village.name_of(str(stack[0]))
		data[prefix + "_count"] = stack[1]
	data["target"] = other
	data["target_name"] = _village.name_of(other)
	var reason := _reason_against("inventory_trade", actor, other, gives, gets)
	if not reason.is_empty():
		return reason
	var short := _village.ledger.exchange(actor, gives, other, gets)
	if not short.is_empty():
		var lacking: String = gives[0] if short == actor else gets[0]
		data["held"] = _village.ledger.count(short, lacking)
		return "not_held" if short == actor else "speaker_lacks"
	var given: String = gives[0]
	var num_given: int = gives[1]
	_village.received(other, given, num_given, actor)
	return ""


func _use(actor: String, args: Dictionary, data: Dictionary) -> String:
	var item := _item(args, data)
	if item.is_empty():
		return "bad_arguments"
	var id: String = item["id"]
	if _village.ledger.count(actor, id) == 0:
		return "not_held"
	if not item.get("usable", false):
		return "not_usable"
	data["used_up"] = false
	for tag: String in item.get("tags", []):
		data["used_up"] = data["used_up"] or tag in FOOD_TAGS
	if data["used_up"]:
		_village.ledger.use_up(actor, id)
	return ""


func _equip(actor: String, args: Dictionary, data: Dictionary) -> String:
	var item := _item(args, data)
	if item.is_empty():
		return "bad_arguments"
	if not item.has("slot"):
		return "not_wearable"
	data["slot"] = item["slot"]
	var is_held := _village.ledger.equip(actor, str(item["slot"]), str(item["id"]))
	return "" if is_held else "not_held"


func _item(args: Dictionary, data: Dictionary) -> Dictionary:
	var id := str(args.get("item", ""))
	var item: Dictionary = _village.items.get(id, {})
	if not item.is_empty():
		data["item"] = id
		data["item_name"] = item["name"]
	return item


func _reason_against(
	tool: String, actor: String, other: String, gives: Array, gets: Array
) -> String:
	if not _village.ground.is_near(actor, other):
		return "too_far"
	return _village.refusal(actor, tool, gives, gets)


## The other side of a deal: named in the arguments, else the player; empty when there is none.
func _other(actor: String, args: Dictionary) -> String:
	var named: Variant = Village.PLAYER
	for key: String in ["to", "source", "partner"]:
		if args.has(key):
			named = args[key]
			break
	if not named is String or named == actor or not _village.ledger.has_owner(str(named)):
		return ""
	return named


## The one stack that two arguments name, as [item, count]; empty when they make no sense.
func _stack(args: Dictionary, item_key: String, count_key: String) -> Array:
	var item: Variant = args.get(item_key)
	var number: Variant = args.get(count_key, 1)
	if not item is String or not _village.items.has(item) or not number is int:
		return []
	return [item, number] if number >= 1 and number <= MAX_COUNT else []
