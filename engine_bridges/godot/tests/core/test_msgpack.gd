extends "res://tests/test_case.gd"
## The codec: golden messages byte for byte, every length form, and hostile bytes.

const Msgpack := preload("res://addons/npc_brain/transport/msgpack.gd")

const LENGTHS: Array[int] = [0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536]


func test_golden_messages_byte_for_byte() -> void:
	var folder := OS.get_environment("NPC_BRAIN_GOLDEN")
	var num_read := 0
	for file in DirAccess.get_files_at(folder):
		if not file.ends_with(".msgpack"):
			continue
		var bytes := FileAccess.get_file_as_bytes(folder.path_join(file))
		var error := PackedStringArray()
		var message: Variant = Msgpack.decode(bytes, error)
		check(error.is_empty(), "%s is read: %s" % [file, error])
		check(Msgpack.encode(message, error) == bytes, "%s is written as it was" % file)
		var twin := FileAccess.get_file_as_string(folder.path_join(file.get_basename() + ".json"))
		var problem := _difference(message, JSON.parse_string(twin))
		check(problem.is_empty(), "%s is what its .json shows: %s" % [file, problem])
		num_read += 1
	check(num_read > 30, "there are golden messages in %s" % folder)


func test_every_length_form() -> void:
	for length in LENGTHS:
		var text := "x".repeat(length)
		var bytes := text.to_ascii_buffer()
		var items: Array = []
		items.resize(length)
		for value: Variant in [text, bytes, items]:
			var error := PackedStringArray()
			var got: Variant = Msgpack.decode(Msgpack.encode(value, error), error)
			check(error.is_empty() and is_same_value(got, value), "length %d: %s" % [length, error])


func test_integers_and_floats() -> void:
	for shift in 64:
		for near: int in [-1, 0, 1]:
			var value := (1 << shift) + near
			check_equal(Msgpack.decode(Msgpack.encode(value)), value, "2^%d%+d" % [shift, near])
			check_equal(
				Msgpack.decode(Msgpack.encode(-value)), -value, "-(2^%d%+d)" % [shift, near]
			)
	for value: float in [0.0, 1.0, -0.1, 1e308, 5e-324]:
		check_equal(Msgpack.decode(Msgpack.encode(value)), value, "float")
	check_equal(Msgpack.decode(PackedByteArray([0xCA, 0x3F, 0x80, 0, 0])), 1.0, "float 32")


func test_what_cannot_be_sent_is_told() -> void:
	var deep: Variant = 1
	for _level in Msgpack.MAX_DEPTH + 1:
		deep = [deep]
	for value: Variant in [NAN, -INF, Vector2.ONE, {1: 2}, deep, self]:
		var error := PackedStringArray()
		check(Msgpack.encode(value, error).is_empty(), "nothing is written of %s" % typeof(value))
		check(not error.is_empty(), "it is told of %s" % typeof(value))


func test_damaged_bytes_are_told() -> void:
	var damaged: Array[PackedByteArray] = [
		PackedByteArray(),
		PackedByteArray([0xC1]),
		PackedByteArray([0xC0, 0xC0]),
		PackedByteArray([0xD4, 1, 2]),
		PackedByteArray([0x81, 1, 1]),
		PackedByteArray([0x82, 0xA1, 97, 1, 0xA1, 97, 2]),
		PackedByteArray([0xA2, 97]),
		PackedByteArray([0xA1, 0xFF]),
		PackedByteArray([0xA2, 0xC0, 0x80]),
		PackedByteArray([0xA3, 0xED, 0xA0, 0x80]),
		PackedByteArray([0xA1, 0]),
		PackedByteArray([0xDD, 0xFF, 0xFF, 0xFF, 0xFF]),
		PackedByteArray([0xC6, 0xFF, 0xFF, 0xFF, 0xFF, 0]),
		PackedByteArray([0xCF, 0xFF, 0, 0, 0, 0, 0, 0, 0]),
		PackedByteArray([0xCB, 0x7F, 0xF8, 0, 0, 0, 0, 0, 0]),
	]
	var nested := PackedByteArray()
	nested.resize(1000)
	nested.fill(0x91)
	damaged.append(nested)
	for bytes in damaged:
		var error := PackedStringArray()
		check(Msgpack.decode(bytes, error) == null, "nothing is read of %s" % bytes)
		check(not error.is_empty(), "it is told of %s" % bytes)


## Golden messages with bytes changed, cut, doubled; what is read at all can be written and read.
func test_fuzzed_frames_make_no_script_error() -> void:
	var folder := OS.get_environment("NPC_BRAIN_GOLDEN")
	var seeds: Array[PackedByteArray] = []
	for file in DirAccess.get_files_at(folder):
		if file.ends_with(".msgpack"):
			var bytes := FileAccess.get_file_as_bytes(folder.path_join(file))
			if bytes.size() < 2000:
				seeds.append(bytes)
	var random := RandomNumberGenerator.new()
	random.seed = 7
	var num_read := 0
	for _round in count(100_000, 10_000):
		var bytes := _mutated(seeds[random.randi() % seeds.size()].duplicate(), random)
		var error := PackedStringArray()
		var value: Variant = Msgpack.decode(bytes, error)
		if error.is_empty():
			num_read += 1
			var again: Variant = Msgpack.decode(Msgpack.encode(value, error), error)
			var is_alike: bool = error.is_empty() and is_same_value(again, value)
			if not check(is_alike, "read twice alike: %s" % error):
				return
	check(num_read > 0, "some mutations are messages still")


static func _mutated(bytes: PackedByteArray, random: RandomNumberGenerator) -> PackedByteArray:
	for _change in random.randi_range(1, 6):
		var at := random.randi() % maxi(bytes.size(), 1)
		match random.randi() % 5:
			0:
				bytes = bytes.slice(0, at)
			1:
				bytes.insert(at, random.randi() & 0xFF)
			2:
				bytes.append_array(bytes.slice(at))
			_:
				if at < bytes.size():
					bytes[at] = random.randi() & 0xFF
	return bytes


## Where a message and its JSON twin differ; JSON has floats only, and base64 for bytes.
static func _difference(value: Variant, twin: Variant) -> String:
	if value is PackedByteArray:
		var bytes: PackedByteArray = value
		return "" if bytes == Marshalls.base64_to_raw(str(twin)) else "bytes"
	if value is Dictionary and twin is Dictionary:
		var map: Dictionary = value
		var twin_map: Dictionary = twin
		if map.keys() != twin_map.keys():
			return "keys %s and %s" % [map.keys(), twin_map.keys()]
		for key: Variant in map:
			var problem := _difference(map[key], twin_map[key])
			if not problem.is_empty():
				return "%s: %s" % [key, problem]
		return ""
	if value is Array and twin is Array:
		var items: Array = value
		var twin_items: Array = twin
		if items.size() != twin_items.size():
			return "lengths"
		for index in items.size():
			var problem := _difference(items[index], twin_items[index])
			if not problem.is_empty():
				return "%d: %s" % [index, problem]
		return ""
	if value is int and twin is float:
		var number: int = value
		return "" if float(number) == twin else "%s and %s" % [value, twin]
	if value is float and twin is float:  # Godot reads JSON numbers a little wrong
		var real: float = value
		var shown: float = twin
		return "" if absf(real - shown) <= 1e-15 * absf(real) else "%s and %s" % [real, shown]
	return "" if typeof(value) == typeof(twin) and value == twin else "%s and %s" % [value, twin]
