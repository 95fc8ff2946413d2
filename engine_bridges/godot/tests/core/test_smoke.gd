extends "res://tests/test_case.gd"


func test_a_turn() -> void:
	var client := start_client()
	await until(func() -> bool: return client.is_connected_to_sidecar, "a link")
	var world := {"revision": 1}
	check_equal((await ask(client, "world.sync", world))["type"], "ok")
	print(await ask(client, "npc.spawn", {"definition": "mira"}, "mira"))
	var texts := PackedStringArray()
	client.register_character("mira", func(m: Dictionary) -> void: texts.append(str(m["type"])))
	print(await ask(client, "npc.hear", {"speaker_id": "player", "text": "Hello"}, "mira"))
	await until(func() -> bool: return "turn.ended" in texts, "an end")
	print(texts)
