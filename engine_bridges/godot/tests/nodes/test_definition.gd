extends "res://tests/nodes/npc_case.gd"
## What the addon reads of NPC files. That it reads YAML as the sidecar does is tested from Python.

const FallbackVoice := preload("res://addons/npc_brain/definition/fallback_voice.gd")
const NpcFile := preload("res://addons/npc_brain/definition/npc_file.gd")
const YamlReader := preload("res://addons/npc_brain/definition/yaml_reader.gd")
const NESTED := """
persona: {name: Ida}
lines:
  fallback: {outer: Outer., inner: "Inner, {trust} {name}.", default: [One., "{unknown}", Two.]}
initial: outer
states:
  outer:
    initial: middle
    states: {middle: {}, inner: {}}
  other: {}
"""


func test_states_nest() -> void:
	var file := _file()
	check_equal(file.initial, "middle", "the innermost state")
	check_equal(file.fallback_lines("inner"), PackedStringArray(["Inner, {trust} {name}."]), "own")
	check_equal(file.fallback_lines("middle"), PackedStringArray(["Outer."]), "around it")
	check_equal(file.fallback_lines("other").size(), 3, "default")


func test_placeholders_are_filled_in_or_the_line_is_passed_over() -> void:
	var voice := FallbackVoice.new(_file())
	check_equal(voice.next_line("inner", "p", {"trust": 2}), "Inner, 2 Ida.", "filled")
	check_equal(voice.next_line("inner", "p", {}), "…", "nothing to say")
	var said: Array[String] = []
	for _turn in 4:
		said.append(voice.next_line("other", "p", {}))
	check_equal(said, ["One.", "Two.", "One.", "Two."] as Array[String], "in turn")


func test_mistakes_are_told_with_their_line() -> void:
	for text: String in [
		"a: 1\n b: 2",
		"a: &x 1",
		"a: [1, 2",
		'a: "open',
		"a: 1\na: 2",
		"\ta: 1",
		"a: b: c",
		"a: " + "[".repeat(200),
		"- ".repeat(200) + "a"
	]:
		var reader := YamlReader.new()
		reader.parse(text)
		check(reader.problem.begins_with("line "), "%s: got `%s`" % [text.left(20), reader.problem])


func _file() -> NpcFile:
	var value: Dictionary = YamlReader.new().parse(NESTED)
	return NpcFile.from_definition(value)
