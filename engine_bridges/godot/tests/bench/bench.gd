extends Node
## What the addon costs the game's thread: NPCs that all stream at once, while the sidecar works,
## stalls, dies and comes back. Prints one JSON object a line; see tests/bridges/bench_godot.py.
##
## The cost of a frame is the time between two probes that run before and after all nodes of the
## addon; nothing else is in the scene. The peer is what decoding the same messages on this thread
## would cost.

const Msgpack := preload("res://addons/npc_brain/transport/msgpack.gd")
const Settings := preload("res://addons/npc_brain/editor/npc_settings.gd")
const NUM_NPCS := 32
const FPS := 60
## Unless NPC_BRAIN_STEADY_S says otherwise.
const STEADY_S := 20.0
## Not longer than the streaming before it.
const STALL_S := 3.0
## Between an answer and the next question.
const PAUSE_S := 0.2

var _costs_us := PackedInt64Array()
var _peer_us := PackedInt64Array()
var _messages: Array[PackedByteArray] = []
var _num_tokens := 0
var _began_us := 0
## NPCs that the next sidecar does not have yet.
var _num_missing := 0


func _ready() -> void:
	Engine.max_fps = FPS
	ProjectSettings.set_setting(Settings.PATH, OS.get_environment("NPC_BRAIN_PROGRAM"))
	process_priority = 2000
	var first := Probe.new()
	first.process_priority = -2000
	first.passed.connect(func() -> void: _began_us = Time.get_ticks_usec())
	add_child(first)
	NpcBrain.start()
	for index in NUM_NPCS:
		_add_npc("npc_%d" % index)
	await _talking()
	var told_s := OS.get_environment("NPC_BRAIN_STEADY_S").to_float()
	var steady_s := told_s if told_s > 0.0 else STEADY_S
	var stall_s := minf(STALL_S, steady_s)
	await _measure("streaming", steady_s)
	NpcBrain.message_received.connect(_keep)
	await get_tree().create_timer(minf(2.0, steady_s)).timeout
	NpcBrain.message_received.disconnect(_keep)
	_measure_peer()
	OS.execute("kill", ["-STOP", str(_sidecar_pid())])
	await _measure("sidecar stalled", stall_s)
	OS.execute("kill", ["-CONT", str(_sidecar_pid())])
	await _measure("sidecar awake again", stall_s)
	OS.execute("kill", ["-KILL", str(_sidecar_pid())])
	_measure_return()
	await _measure("sidecar killed, back, streaming", 2.0 * stall_s)
	while _num_missing > 0:
		await get_tree().process_frame
	get_tree().quit()


func _process(_delta: float) -> void:
	_costs_us.append(Time.get_ticks_usec() - _began_us)


func _add_npc(id: String) -> void:
	var npc := NpcCharacter.new()
	npc.npc_id = id
	npc.definition_file = "res://addons/npc_brain/first_project/innkeeper.yaml"
	npc.token_received.connect(func(_turn: int, _text: String) -> void: _num_tokens += 1)
	npc.turn_ended.connect(
		func(_turn: NpcTurn) -> void:
			await get_tree().create_timer(PAUSE_S).timeout
			npc.hear("Go on.")
	)
	npc.spawned.connect(func() -> void: npc.hear("Tell me everything."))
	add_child(npc)


func _talking() -> void:
	while _num_tokens < 20 * NUM_NPCS:
		await get_tree().process_frame


func _measure(phase: String, duration_s: float) -> void:
	_costs_us.clear()
	var tokens_before := _num_tokens
	await get_tree().create_timer(duration_s).timeout
	var costs := _costs_us.duplicate()
	_costs_us.clear()
	var row := _spread(costs)
	row["case"] = phase
	row["npcs"] = NUM_NPCS
	row["frames"] = costs.size()
	row["tokens_per_frame"] = snappedf(float(_num_tokens - tokens_before) / costs.size(), 0.1)
	print("bench: ", JSON.stringify(row))


## How long it takes until everybody lives in the next sidecar.
func _measure_return() -> void:
	var killed_ms := Time.get_ticks_msec()
	_num_missing = NUM_NPCS
	for npc: NpcCharacter in find_children("*", "NpcCharacter", false, false):
		npc.spawned.connect(
			func() -> void:
				_num_missing -= 1
				if _num_missing == 0:
					var took_ms := Time.get_ticks_msec() - killed_ms
					print("bench: ", JSON.stringify({"case": "all back", "took_ms": took_ms})),
			CONNECT_ONE_SHOT
		)


func _keep(message: Dictionary) -> void:
	_messages.append(Msgpack.encode(message))


func _measure_peer() -> void:
	var per_frame := ceili(float(_messages.size()) / (2 * FPS))
	var at := 0
	while at + per_frame <= _messages.size():
		var start_us := Time.get_ticks_usec()
		for index in per_frame:
			Msgpack.decode(_messages[at + index])
		_peer_us.append(Time.get_ticks_usec() - start_us)
		at += per_frame
	var row := _spread(_peer_us)
	row["case"] = "peer: decoding on the game's thread alone"
	row["messages_per_frame"] = per_frame
	print("bench: ", JSON.stringify(row))


static func _sidecar_pid() -> int:
	return NpcBrain._link._process._pid


static func _spread(values: PackedInt64Array) -> Dictionary:
	var sorted := values.duplicate()
	sorted.sort()
	var last := sorted.size() - 1
	return {
		"p50_us": sorted[roundi(0.5 * last)],
		"p99_us": sorted[roundi(0.99 * last)],
		"max_us": sorted[last],
	}


## Tells when a frame's processing comes to it.
class Probe:
	extends Node
	signal passed

	func _process(_delta: float) -> void:
		passed.emit()
