class_name NpcTurn
extends RefCounted
## One speech of an NPC: text as it is made, whole lines, and exactly one end.
##
## [codeblock]
## var line := await character.hear("Where is the smith?").line()
## print(line.text)
## [/codeblock]

## Nothing more comes.
signal ended

## The first whole line is there, or none will come.
signal settled

## Counts down, so that local turns never meet the sidecar's ids.
static var _last_local_id := 0

## The sidecar's id; below zero while (or when) the sidecar has not begun it.
var turn_id := 0
## Why the NPC speaks: "hear", "action" (after an action's end) or "state" (authored lines).
var cause := "hear"
## Whom it answers; empty if it speaks unprompted.
var speaker_id := ""
## What has been said since the last whole line.
var text := ""
## The whole lines so far.
var lines: Array[NpcLine] = []
## Whether nothing more comes.
var has_ended := false
## "said", "fallback", "cancelled", "silent" or "failed"; empty until the end.
var outcome := ""
## Why it ended as it did, for people.
var detail := ""
## The tools that the NPC used: maps of tool, args, ok, text, reason.
var tools: Array = []
## first_token_ms, total_ms and numbers of tokens; empty for a local turn.
var timings: Dictionary = {}


func _init(for_cause := "hear", for_speaker := "") -> void:
	_last_local_id -= 1
	turn_id = _last_local_id
	cause = for_cause
	speaker_id = for_speaker


## The first whole line, as soon as it is there; null when the turn ends without one.
## To be awaited.
func line() -> NpcLine:
	if lines.is_empty() and not has_ended:
		await settled
	return null if lines.is_empty() else lines[0]


## Takes the next piece of text; for the character only.
func add_token(piece: String) -> void:
	text += piece


## Takes a whole line; for the character only.
func add_line(said: NpcLine) -> void:
	text = ""
	lines.append(said)


## Takes the body of [code]turn.ended[/code]; only the first end counts. For the character only.
func end(body: Dictionary) -> void:
	if has_ended:
		return
	has_ended = true
	outcome = body.get("outcome", "said")
	detail = body.get("detail", "")
	tools = body.get("tools", [])
	timings = body.get("timings", {})


## Tells whoever awaits the turn, after the character's own signals. For the character only.
func announce() -> void:
	settled.emit()
	if has_ended:
		ended.emit()
