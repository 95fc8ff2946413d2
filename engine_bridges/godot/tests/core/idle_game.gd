extends "res://tests/test_case.gd"
## A game that starts a sidecar, tells its process id, and does nothing else.


func _ready() -> void:
	var client := start_client()
	await until(func() -> bool: return client.is_connected_to_sidecar, "a link")
	print("sidecar: ", client._link._process._pid)
