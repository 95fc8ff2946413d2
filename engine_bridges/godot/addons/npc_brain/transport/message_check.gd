extends RefCounted
## Whether a decoded frame is a message of the sidecar whose known fields have the types of Protocol
## 1, so that nobody who takes a message has to ask. Unknown types and fields pass.

## Body fields by message type; an optional one ends in a question mark.
const FIELDS: Dictionary[String, Dictionary] = {
	# generated: messages
	"welcome":
	{
		"session_id": TYPE_STRING,
		"protocol": TYPE_ARRAY,
		"version": TYPE_STRING,
		"model": TYPE_DICTIONARY,
		"resumed": TYPE_BOOL,
		"features": TYPE_ARRAY,
		"limits": TYPE_DICTIONARY,
	},
	"status":
	{
		"phase": TYPE_STRING,
		"detail?": TYPE_STRING,
		"progress": TYPE_FLOAT,
		"features?": TYPE_ARRAY,
	},
	"ok": {},
	"turn.started": {"turn_id": TYPE_INT, "cause": TYPE_STRING, "speaker_id?": TYPE_STRING},
	"turn.token": {"turn_id": TYPE_INT, "text": TYPE_STRING},
	"turn.line":
	{
		"turn_id": TYPE_INT,
		"text": TYPE_STRING,
		"emotion?": TYPE_STRING,
		"gesture?": TYPE_STRING,
		"source": TYPE_STRING,
		"choices?": TYPE_ARRAY,
	},
	"turn.ended":
	{
		"turn_id": TYPE_INT,
		"outcome": TYPE_STRING,
		"detail?": TYPE_STRING,
		"tools?": TYPE_ARRAY,
		"timings": TYPE_DICTIONARY,
	},
	"npc.state":
	{
		"from?": TYPE_STRING,
		"to": TYPE_STRING,
		"event": TYPE_STRING,
		"blackboard?": TYPE_DICTIONARY,
	},
	"action.request":
	{
		"action_id": TYPE_INT,
		"tool": TYPE_STRING,
		"args": TYPE_DICTIONARY,
		"timeout_ms": TYPE_INT,
		"turn_id?": TYPE_INT,
	},
	"action.cancel": {"action_id": TYPE_INT},
	"tool.call":
	{
		"call_id": TYPE_INT,
		"tool": TYPE_STRING,
		"args": TYPE_DICTIONARY,
		"timeout_ms": TYPE_INT,
	},
	"state.saved": {"blob": TYPE_PACKED_BYTE_ARRAY},
	"pong": {"uptime_ms": TYPE_INT},
	"stats":
	{
		"uptime_ms": TYPE_INT,
		"num_sessions": TYPE_INT,
		"num_npcs": TYPE_INT,
		"num_turns": TYPE_INT,
		"num_fallbacks": TYPE_INT,
		"num_prompt_tokens": TYPE_INT,
		"num_cached_tokens": TYPE_INT,
		"num_completion_tokens": TYPE_INT,
		"first_token_ms_p50": TYPE_INT,
		"tokens_per_s": TYPE_FLOAT,
	},
	"error":
	{
		"code": TYPE_STRING,
		"message": TYPE_STRING,
		"hint?": TYPE_STRING,
		"retryable?": TYPE_BOOL,
	},
	# end of generated part
}
const _ENVELOPE := {
	"type": TYPE_STRING,
	"id": TYPE_INT,
	"reply_to?": TYPE_INT,
	"npc_id?": TYPE_STRING,
	"body": TYPE_DICTIONARY,
}


## What is wrong with a decoded frame; empty when nothing is.
static func problem_of(value: Variant) -> String:
	if not value is Dictionary:
		return "a message is a map, got a %s" % type_string(typeof(value))
	var message: Dictionary = value
	var problem := _problem(message, _ENVELOPE, "")
	if not problem.is_empty():
		return problem
	var type: String = message["type"]
	var body: Dictionary = message["body"]
	var fields: Dictionary = FIELDS.get(type, {})
	return _problem(body, fields, type + ".")


static func _problem(map: Dictionary, fields: Dictionary, prefix: String) -> String:
	for field: String in fields:
		var wanted: int = fields[field]
		var key := field.trim_suffix("?")
		if not map.has(key):
			if key == field:
				return "%s%s is missing" % [prefix, key]
			continue
		var got := typeof(map[key])
		if got != wanted and not (got == TYPE_INT and wanted == TYPE_FLOAT):
			return "%s%s is a %s, got a %s" % [prefix, key, type_string(wanted), type_string(got)]
	return ""
