extends "res://tests/nodes/npc_case.gd"
## The dock: what it keeps of a session, and its filters.

const Monitor := preload("res://addons/npc_brain/editor/npc_monitor.gd")
const MonitorLog := preload("res://addons/npc_brain/editor/monitor_log.gd")


func test_it_follows_turns_states_and_actions() -> void:
	var record := MonitorLog.new()
	_play(record)
	var npc := record.npcs["berta"]
	check_equal(npc.state, "angry", "state")
	check_equal(npc.speech, "Hm, no.", "speech")
	check_equal(npc.is_speaking, false, "over")
	check_equal(npc.last_tool, "go_to", "tool")
	check_equal(npc.first_token_ms, 40, "first token")
	check_equal(npc.tokens_per_s, 50.0, "tokens per second")
	check_equal(record.phase, "ready", "phase")


func test_it_filters_by_topic_npc_and_text() -> void:
	var record := MonitorLog.new()
	_play(record)
	record.add_log("model loaded")
	record.add_received({"type": "npc.state", "npc_id": "osric", "body": {"to": "forging"}})
	check_equal(_texts(record.filtered([MonitorLog.Topic.STATES], "osric")).size(), 1, "by NPC")
	check_equal(record.filtered([MonitorLog.Topic.SIDECAR_LOG])[0].text, "model loaded", "by topic")
	check_equal(record.filtered([MonitorLog.Topic.TURNS], "", "HM, NO").size(), 1, "by text")
	record.clear()
	check_equal(record.rows.size(), 0, "cleared")


func test_it_is_bounded() -> void:
	var record := MonitorLog.new()
	for index in MonitorLog.MAX_ROWS + 50:
		record.add_log(str(index))
	check_equal(record.rows.size(), MonitorLog.MAX_ROWS, "rows")
	check_equal(record.rows[0].text, "50", "the oldest went")


func test_the_dock_shows_it() -> void:
	var monitor := Monitor.new()
	add_child(monitor)
	_play(monitor.record)
	monitor.take("log", ["[b]loud[/b]"])
	await frames(2)
	var shown := _find_log(monitor)
	check(shown.get_parsed_text().contains("[b]loud[/b]"), "markup in a log is text")
	check(shown.get_parsed_text().contains("Hm, no."), "lines are shown")
	monitor.reset()
	check_equal(monitor.shown_rows().size(), 0, "another run begins anew")


func test_it_can_follow_a_client() -> void:
	var monitor := Monitor.new()
	add_child(monitor)
	monitor.observe(client)
	client.connected.emit(false)
	client.message_received.emit({"type": "npc.state", "npc_id": "a", "body": {"to": "b"}})
	client.message_sent.emit({"type": "ping", "body": {}})
	client.status_changed.emit(&"loading", "model", 0.5)
	check_equal(monitor.record.is_connected_to_sidecar, true, "link")
	check_equal(monitor.record.npcs["a"].state, "b", "state")
	check_equal(monitor.record.progress, 0.5, "progress")


func _play(record: MonitorLog) -> void:
	var said := {"turn_id": 1, "text": "Hm, no.", "source": "model"}
	var ended := {
		"turn_id": 1,
		"outcome": "said",
		"timings": {"first_token_ms": 40, "total_ms": 140, "num_completion_tokens": 5}
	}
	record.add_received({"type": "status", "body": {"phase": "ready", "progress": 1.0}})
	record.add_sent({"type": "npc.hear", "npc_id": "berta", "body": {"text": "Hello"}})
	for part: Array in [
		["turn.started", {"turn_id": 1}],
		["turn.token", {"turn_id": 1, "text": "Hm, no."}],
		["turn.line", said],
		["action.request", {"action_id": 1, "tool": "go_to"}],
		["npc.state", {"to": "angry"}],
		["turn.ended", ended],
	]:
		record.add_received({"type": part[0], "npc_id": "berta", "body": part[1]})


func _texts(rows: Array[MonitorLog.Row]) -> Array:
	return rows.map(func(row: MonitorLog.Row) -> String: return row.text)


func _find_log(monitor: Monitor) -> RichTextLabel:
	return monitor.find_children("*", "RichTextLabel", true, false)[0]
