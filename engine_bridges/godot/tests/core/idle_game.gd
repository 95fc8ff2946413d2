extends "res://tests/test_case.gd"
## A game that starts a sidecar, tells its process id, and does nothing else; with
## [code]-- quit[/code] it quits then, with [code]-- stall[/code] while the sidecar is stopped.

var _quit_ms := 0


func _ready() -> void:
	var client := start_client()
	await until(func() -> bool: return client.is_connected_to_sidecar, "a link")
	var pid := client._link._process._pid
	print("sidecar: ", pid)
	print("limit_ms: ", roundi(stretched(0.25) * 1000))
	var arguments := OS.get_cmdline_user_args()
	if "stall" in arguments:
		OS.execute("kill", ["-STOP", str(pid)])
	if not arguments.is_empty():
		_quit_ms = Time.get_ticks_msec()
		get_tree().quit()


# Children leave the tree first: the client has ended by now.
func _exit_tree() -> void:
	print("quitting_ms: ", Time.get_ticks_msec() - _quit_ms)
