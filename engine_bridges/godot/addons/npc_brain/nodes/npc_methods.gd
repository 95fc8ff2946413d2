extends RefCounted
## The methods of a game's own script that carry out what an NPC asks for: [code]npc_go_to[/code]
## does [code]go_to[/code]. Describes their arguments from their type hints, and calls them.
##
## Only methods with the prefix are ever called, whatever name arrives.

const PREFIX := "npc_"
## The sidecar's own tools that the game carries out; all others are registered.
const BUILT_INS: PackedStringArray = [
	# generated: tools
	"distance",
	"find_path",
	"follow",
	"go_to",
	"inventory_equip",
	"inventory_give",
	"inventory_take",
	"inventory_trade",
	"inventory_use",
	"is_reachable",
	"nearest",
	"plan_route",
	"stop",
	# end of generated part
]
const _TYPE_NAMES: Dictionary[int, String] = {
	TYPE_BOOL: "boolean",
	TYPE_INT: "integer",
	TYPE_FLOAT: "number",
	TYPE_STRING: "string",
	TYPE_STRING_NAME: "string",
	TYPE_PACKED_STRING_ARRAY: "array"
}

var _actor: Object
var _methods: Dictionary[String, Dictionary] = {}


func _init(actor: Object) -> void:
	_actor = actor
	var script: Script = actor.get_script()
	while script != null:
		for method in script.get_script_method_list():
			var name: String = method["name"]
			if name.begins_with(PREFIX) and not _methods.has(name.trim_prefix(PREFIX)):
				_methods[name.trim_prefix(PREFIX)] = method
		script = script.get_base_script()


## The tools that the actor has a method for.
func tools() -> PackedStringArray:
	return PackedStringArray(_methods.keys())


## Whether the actor has a method for a tool.
func has(tool: String) -> bool:
	return _methods.has(tool)


## Whether a method answers a question: it returns text or a map.
func is_query(tool: String) -> bool:
	var returned: Dictionary = _methods[tool]["return"]
	return returned["type"] in [TYPE_STRING, TYPE_STRING_NAME, TYPE_DICTIONARY]


## The JSON Schema of a method's arguments, from its type hints.
func schema(tool: String) -> Dictionary:
	var arguments := _arguments(tool)
	var defaults: Array = _methods[tool]["default_args"]
	var properties: Dictionary = {}
	var required: Array = []
	for index in arguments.size():
		var name: String = arguments[index]["name"]
		properties[name] = _schema_of(arguments[index])
		if index < arguments.size() - defaults.size():
			required.append(name)
	return {"type": "object", "properties": properties, "required": required}


## What is wrong with a method; empty when nothing is.
func problem(tool: String) -> String:
	for argument in _arguments(tool):
		if _schema_of(argument).is_empty():
			return (
				(
					"%s%s: the argument `%s` needs a type hint: String, int, float, bool, an enum or an"
					+ " Array of these"
				)
				% [PREFIX, tool, argument["name"]]
			)
	return ""


## Calls the method with arguments by name; [param handle] goes to a first parameter of its class.
## To be awaited: gives what the method returns.
func call_with(tool: String, args: Dictionary, handle: RefCounted) -> Variant:
	var values: Array = []
	if takes_handle(tool):
		values.append(handle)
	var defaults: Array = _methods[tool]["default_args"]
	var arguments := _arguments(tool)
	for index in arguments.size():
		var argument := arguments[index]
		var name: String = argument["name"]
		var num_left := arguments.size() - index
		if args.has(name):
			values.append(_value_of(argument, args[name]))
		elif num_left <= defaults.size():
			values.append(defaults[defaults.size() - num_left])
		else:
			values.append(_value_of(argument, null))
	@warning_ignore("redundant_await")
	return await _actor.callv(PREFIX + tool, values)


## Whether a method's first parameter is the request itself, whose life it then tells.
func takes_handle(tool: String) -> bool:
	var arguments: Array = _methods[tool]["args"]
	if arguments.is_empty():
		return false
	var first: Dictionary = arguments[0]
	return first["class_name"] in [&"NpcActionRequest", &"NpcToolCall"]


func _arguments(tool: String) -> Array[Dictionary]:
	var arguments: Array[Dictionary] = []
	var all: Array = _methods[tool]["args"]
	arguments.assign(all)
	return arguments.slice(1) if takes_handle(tool) else arguments


func _schema_of(argument: Dictionary) -> Dictionary:
	var type: int = argument["type"]
	var choices := _enum_of(argument)
	if not choices.is_empty():
		return {"type": "string", "enum": choices.keys().map(_lower)}
	if type == TYPE_PACKED_STRING_ARRAY:
		return {"type": "array", "items": {"type": "string"}}
	if type == TYPE_ARRAY:
		var item_type := _item_type(argument)
		if item_type == TYPE_NIL:
			return {}
		return {"type": "array", "items": {"type": _TYPE_NAMES[item_type]}}
	return {"type": _TYPE_NAMES[type]} if _TYPE_NAMES.has(type) else {}


func _value_of(argument: Dictionary, given: Variant) -> Variant:
	var type: int = argument["type"]
	var choices := _enum_of(argument)
	if not choices.is_empty():
		var wanted := str(given).to_lower()
		for name: String in choices:
			if name.to_lower() == wanted:
				return choices[name]
		return choices.values()[0]
	if type == TYPE_ARRAY:
		var parts: Array = given if given is Array else []
		var item_type := _item_type(argument)
		var items := parts.map(func(part: Variant) -> Variant: return type_convert(part, item_type))
		return Array(items, item_type, &"", null)
	return type_convert(given, type)


## The type of a typed array's items; TYPE_NIL when it is not one that an NPC can fill.
static func _item_type(argument: Dictionary) -> int:
	for known in _TYPE_NAMES:
		if argument["hint_string"] == type_string(known):
			return known
	return TYPE_NIL


## The names and values of an argument's enum; empty when it is none.
func _enum_of(argument: Dictionary) -> Dictionary:
	var usage: int = argument["usage"]
	if not usage & PROPERTY_USAGE_CLASS_IS_ENUM:
		return {}
	var full_name := str(argument["class_name"])
	var enum_name := full_name.substr(full_name.rfind(".") + 1)
	var script: Script = _actor.get_script()
	while script != null:
		var constants := script.get_script_constant_map()
		if constants.get(enum_name) is Dictionary:
			return constants[enum_name]
		script = script.get_base_script()
	return {}


static func _lower(name: String) -> String:
	return name.to_lower()
