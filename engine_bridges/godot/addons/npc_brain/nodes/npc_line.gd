class_name NpcLine
extends RefCounted
## A whole line that an NPC has said.

## Where a line comes from; values of [member source].
const SOURCES: PackedStringArray = ["model", "scripted", "fallback"]

## The turn that it belongs to; below zero for a turn that never reached the sidecar.
var turn_id := 0
## What was said. The tokens since the last line add up to it, unless [member source] is
## "fallback": then it replaces them.
var text := ""
## How it was said: "neutral", "happy", "angry", "afraid" or what the NPC file names.
var emotion := "neutral"
## What the hands do meanwhile, from the tool [code]emote[/code]; "none" for nothing.
var gesture := "none"
## "model", "scripted" (an author's line) or "fallback" (out of time, or no sidecar).
var source := "fallback"
## Answers offered to the player, from the tool [code]offer_choices[/code].
var choices := PackedStringArray()


## Reads the body of [code]turn.line[/code].
static func from_body(body: Dictionary) -> NpcLine:
	var line := NpcLine.new()
	line.turn_id = body.get("turn_id", 0)
	line.text = body.get("text", "")
	line.emotion = body.get("emotion", "neutral")
	line.gesture = body.get("gesture", "none")
	line.source = body.get("source", "fallback")
	var offered: Array = body.get("choices", [])
	line.choices = PackedStringArray(offered)
	return line
