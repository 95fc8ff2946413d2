class_name Director
extends Node
## Plays some scenes and saves a picture of each, for the README.

const SETTLE_S := 1.2

var _game: Node
var _bridge: VillageBridge
var _tour: Tour
var _folder := ""


func _init(game: Node) -> void:
	_game = game
	_bridge = game.get("bridge")
	_tour = Tour.new(_bridge)


## Saves the pictures to a folder and quits. To be awaited.
func shoot(folder: String) -> void:
	_folder = folder
	add_child(_tour)
	await _tour.wait_ready()
	var hud: Hud = _game.get("hud")
	await _tour.run("talk pip Can you take me to the tavern?")
	await get_tree().create_timer(0.7).timeout
	_tour.run.call("go tavern")
	await get_tree().create_timer(0.6).timeout
	await _save("walking")
	await _settled()
	await get_tree().create_timer(5.0).timeout
	await _say("mira", "What is that crying in your cellar?")
	await _save("talking")
	await _settled()
	hud.close_talk()
	await get_tree().create_timer(7.0).timeout
	await _tour.run("go market")
	await _say("fennick", "A honey cake, please.")
	await _save("trading")
	await _settled()
	hud.close_talk()
	var overlay: DebugOverlay = _game.get("overlay")
	overlay.visible = true
	await _tour.run("go smithy")
	await _say("osric", "Mira wants her mallet back.")
	await _save("overlay")
	get_tree().quit()


## Walks up to somebody, says something, and waits for the answer.
func _say(npc_id: String, text: String) -> void:
	var hud: Hud = _game.get("hud")
	await _game.call("talk_to", npc_id)
	hud.show_typed(text)
	_bridge.talk(npc_id, text)
	await _spoken(npc_id)


func _spoken(npc_id: String) -> void:
	var bubble: SpeechBubble = _game.call("bubble_of", npc_id)
	var until_ms := Time.get_ticks_msec() + roundi(Tour.TIMEOUT_S * 1000)
	while not bubble.is_whole() and Time.get_ticks_msec() < until_ms:
		await get_tree().process_frame
	await get_tree().create_timer(SETTLE_S).timeout


func _settled() -> void:
	while _bridge.is_busy():
		await get_tree().process_frame


func _save(name_of_picture: String) -> void:
	await RenderingServer.frame_post_draw
	var picture := get_viewport().get_texture().get_image()
	picture.save_png(_folder.path_join(name_of_picture + ".png"))
