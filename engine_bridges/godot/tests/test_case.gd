extends Node
## What tests are made of: checks, waiting with a limit, and a client of their own.

const Client := preload("res://addons/npc_brain/npc_brain_client.gd")
const Settings := preload("res://addons/npc_brain/editor/npc_settings.gd")

## How long a test waits for what must happen: only a hang takes as long.
const WAIT_S := 120.0
## What is promised within a time may take so many starts of a sidecar longer, as the machine may be
## slow or busy. What hangs takes longer still.
const STARTS := 5.0

## What went wrong.
var problems := PackedStringArray()
## What the slowest start of a sidecar took in this test, up to its link.
var start_s := 0.0

var _clients: Array[Client] = []


## Notes a problem unless [param is_true]; gives it back, so that a test can end early.
func check(is_true: bool, what: String) -> bool:
	if not is_true:
		problems.append(what)
	return is_true


## Notes a problem unless both are equal and of one type.
func check_equal(got: Variant, wanted: Variant, what := "") -> bool:
	return check(is_same_value(got, wanted), "%s: got %s, wanted %s" % [what, got, wanted])


## Whether both are equal and of one type.
static func is_same_value(a: Variant, b: Variant) -> bool:
	var is_equal: bool = typeof(a) == typeof(b) and a == b
	return is_equal


## Waits for [param condition]; notes a problem when it is not met in time.
func until(condition: Callable, what: String, timeout_s := WAIT_S) -> bool:
	var until_ms := Time.get_ticks_msec() + roundi(timeout_s * 1000)
	var is_met: bool = condition.call()
	while not is_met:
		if Time.get_ticks_msec() > until_ms:
			return check(false, "%s: not within %s s" % [what, timeout_s])
		await get_tree().process_frame
		is_met = condition.call()
	return true


## What [param promise_s] is on this machine: see [constant STARTS].
func stretched(promise_s: float) -> float:
	return promise_s + STARTS * start_s


## A started client of this test, with a sidecar of its own that speaks with [param model].
func start_client(model := "none") -> Client:
	ProjectSettings.set_setting(Settings.PATH, OS.get_environment("NPC_BRAIN_PROGRAM"))
	ProjectSettings.set_setting(Settings.NPCS, OS.get_environment("NPC_BRAIN_NPCS"))
	ProjectSettings.set_setting(Settings.MODEL, model)
	var client := Client.new()
	_clients.append(client)
	add_child(client)
	var begun_ms := Time.get_ticks_msec()
	client.connected.connect(
		func(_is_resumed: bool) -> void:
			start_s = maxf(start_s, (Time.get_ticks_msec() - begun_ms) / 1000.0),
		CONNECT_ONE_SHOT
	)
	client.start()
	return client


## Sends a message and gives its answer. To be awaited.
func ask(client: Client, type: String, body: Dictionary, npc_id := "") -> Dictionary:
	var answers: Array[Dictionary] = []
	client.send(type, body, npc_id, func(answer: Dictionary) -> void: answers.append(answer))
	if not await until(func() -> bool: return not answers.is_empty(), "the answer to %s" % type):
		return {"type": "", "body": {}}
	return answers[0]


## How many in CI and how many with NPC_BRAIN_FULL=1.
func count(full: int, ci: int) -> int:
	return full if is_full() else ci


## Whether counts are as written.
static func is_full() -> bool:
	return OS.get_environment("NPC_BRAIN_FULL") == "1"


## Ends what the test has started.
func clean_up() -> void:
	for client in _clients:
		client.stop()
		client.queue_free()
	_clients.clear()
	await get_tree().process_frame
