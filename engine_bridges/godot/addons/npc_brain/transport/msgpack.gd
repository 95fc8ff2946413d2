extends RefCounted
## msgpack as Protocol 1 writes it: shortest forms, float 64, text and bytes apart, no extensions.
##
## Maps are [Dictionary]s, arrays are [Array]s, bytes are [PackedByteArray]s. Works by index on one
## buffer, without copying what it reads. Source: the msgpack specification.

## Levels of maps and arrays, the outermost being the first.
const MAX_DEPTH := 64

const _MAX_UINT32 := 0xFFFFFFFF


## The bytes of a value. [param error], when given, gets what cannot be written; the result is then
## empty.
static func encode(
	value: Variant, error: PackedStringArray = PackedStringArray()
) -> PackedByteArray:
	var writer := Writer.new()
	writer.write(value, 1)
	if not writer.error.is_empty():
		error.append(writer.error)
		return PackedByteArray()
	writer.bytes.resize(writer.size)
	return writer.bytes


## The value that the whole of [param bytes] is. [param error], when given, gets what is wrong with
## them; the result is then null.
static func decode(
	bytes: PackedByteArray, error: PackedStringArray = PackedStringArray()
) -> Variant:
	var reader := Reader.new(bytes)
	var value: Variant = reader.read(1)
	if reader.error.is_empty() and reader.at != bytes.size():
		reader.error = "%d bytes after the value" % (bytes.size() - reader.at)
	if not reader.error.is_empty():
		error.append(reader.error)
		return null
	return value


## Writes values behind each other.
class Writer:
	extends RefCounted

	## Room for what is written; only the first [member size] bytes count.
	var bytes := PackedByteArray()
	## How many bytes are written.
	var size := 0
	## What could not be written; empty when all could.
	var error := ""

	func _init() -> void:
		bytes.resize(256)

	## Appends a value.
	@warning_ignore_start("unsafe_call_argument")

	func write(value: Variant, depth: int) -> void:
		match typeof(value):
			TYPE_NIL:
				_byte(0xC0)
			TYPE_BOOL:
				_byte(0xC3 if value else 0xC2)
			TYPE_INT:
				_write_int(value)
			TYPE_FLOAT:
				_write_float(value)
			TYPE_STRING, TYPE_STRING_NAME:
				_write_text(str(value))
			TYPE_PACKED_BYTE_ARRAY:
				_write_bytes(value)
			TYPE_DICTIONARY:
				_write_map(value, depth)
			TYPE_ARRAY:
				_write_array(value, depth)
			TYPE_PACKED_STRING_ARRAY, TYPE_PACKED_INT32_ARRAY, TYPE_PACKED_INT64_ARRAY:
				_write_array(Array(value), depth)
			TYPE_PACKED_FLOAT32_ARRAY, TYPE_PACKED_FLOAT64_ARRAY:
				_write_array(Array(value), depth)
			_:
				error = "a %s cannot be sent" % type_string(typeof(value))

	@warning_ignore_restore("unsafe_call_argument")

	func _write_int(value: int) -> void:
		if value >= 0:
			if value < 0x80:
				_byte(value)
			elif value < 0x100:
				_sized(0xCC, value, 1)
			elif value < 0x10000:
				_sized(0xCD, value, 2)
			elif value <= _MAX_UINT32:
				_sized(0xCE, value, 4)
			else:
				_sized(0xCF, value, 8)
		elif value >= -0x20:
			_byte(value & 0xFF)
		elif value >= -0x80:
			_sized(0xD0, value, 1)
		elif value >= -0x8000:
			_sized(0xD1, value, 2)
		elif value >= -0x80000000:
			_sized(0xD2, value, 4)
		else:
			_sized(0xD3, value, 8)

	func _write_float(value: float) -> void:
		if not is_finite(value):
			error = "%s is not a number that can be sent" % value
			return
		_reserve(9)
		bytes[size] = 0xCB
		bytes.encode_double(size + 1, value)
		_swap(size + 1, 8)
		size += 9

	func _write_text(text: String) -> void:
		var utf8 := text.to_utf8_buffer()
		var length := utf8.size()
		if length < 32:
			_byte(0xA0 | length)
		elif length < 0x100:
			_sized(0xD9, length, 1)
		elif length < 0x10000:
			_sized(0xDA, length, 2)
		else:
			_sized(0xDB, length, 4)
		_append(utf8)

	func _write_bytes(data: PackedByteArray) -> void:
		var length := data.size()
		if length < 0x100:
			_sized(0xC4, length, 1)
		elif length < 0x10000:
			_sized(0xC5, length, 2)
		else:
			_sized(0xC6, length, 4)
		_append(data)

	func _write_map(map: Dictionary, depth: int) -> void:
		if depth > MAX_DEPTH:
			error = "nested deeper than %d" % MAX_DEPTH
			return
		_write_length(map.size(), 0x80, 0xDE)
		for key: Variant in map:
			if not key is String and not key is StringName:
				error = "a key of a map is text, got a %s" % type_string(typeof(key))
				return
			_write_text(str(key))
			write(map[key], depth + 1)

	func _write_array(items: Array, depth: int) -> void:
		if depth > MAX_DEPTH:
			error = "nested deeper than %d" % MAX_DEPTH
			return
		_write_length(items.size(), 0x90, 0xDC)
		for item: Variant in items:
			write(item, depth + 1)

	func _write_length(length: int, short: int, long: int) -> void:
		if length < 16:
			_byte(short | length)
		elif length < 0x10000:
			_sized(long, length, 2)
		else:
			_sized(long + 1, length, 4)

	func _byte(value: int) -> void:
		_reserve(1)
		bytes[size] = value
		size += 1

	func _sized(head: int, value: int, width: int) -> void:
		_reserve(width + 1)
		bytes[size] = head
		for index in width:
			bytes[size + width - index] = (value >> (8 * index)) & 0xFF
		size += width + 1

	func _append(data: PackedByteArray) -> void:
		if data.is_empty():
			return
		bytes.resize(size)
		bytes.append_array(data)
		size = bytes.size()

	func _swap(start: int, width: int) -> void:
		for index in width >> 1:
			var other := start + width - 1 - index
			var byte := bytes[start + index]
			bytes[start + index] = bytes[other]
			bytes[other] = byte

	func _reserve(more: int) -> void:
		if size + more > bytes.size():
			bytes.resize(2 * bytes.size() + more)


## Reads values behind each other.
class Reader:
	extends RefCounted

	## Where the next value begins.
	var at := 0
	## What is wrong; empty while nothing is. Values read after an error mean nothing.
	var error := ""
	var _bytes: PackedByteArray
	var _size: int

	func _init(bytes: PackedByteArray) -> void:
		_bytes = bytes
		_size = bytes.size()

	## The next value.
	func read(depth: int) -> Variant:
		var head := _uint(1)
		if head < 0x80:
			return head
		if head < 0x90:
			return _map(head & 0x0F, depth)
		if head < 0xA0:
			return _array(head & 0x0F, depth)
		if head < 0xC0:
			return _text(head & 0x1F)
		if head >= 0xE0:
			return head - 0x100
		return _read_long(head, depth)

	# gdlint: disable=max-returns
	func _read_long(head: int, depth: int) -> Variant:
		match head:
			0xC0:
				return null
			0xC2:
				return false
			0xC3:
				return true
			0xC4, 0xC5, 0xC6:
				return _slice(_uint(1 << (head - 0xC4)))
			0xCA, 0xCB:
				return _float(4 if head == 0xCA else 8)
			0xCC, 0xCD, 0xCE:
				return _uint(1 << (head - 0xCC))
			0xCF:
				var value := _uint(8)
				if value < 0:
					_fail("an integer above 2^63")
				return value
			0xD0, 0xD1, 0xD2, 0xD3:
				return _int(1 << (head - 0xD0))
			0xD9, 0xDA, 0xDB:
				return _text(_uint(1 << (head - 0xD9)))
			0xDC, 0xDD:
				return _array(_uint(2 << (head - 0xDC)), depth)
			0xDE, 0xDF:
				return _map(_uint(2 << (head - 0xDE)), depth)
		_fail("the byte 0x%02x begins nothing" % head)
		return null

	# gdlint: enable=max-returns

	func _map(length: int, depth: int) -> Dictionary:
		var map: Dictionary = {}
		if not _may_hold(2 * length, depth):
			return map
		for _index in length:
			var key: Variant = read(depth + 1)
			if not key is String:
				_fail("a key of a map is not text")
			elif map.has(key):
				_fail("the key %s comes twice" % key)
			if not error.is_empty():
				return map
			map[key] = read(depth + 1)
		return map

	func _array(length: int, depth: int) -> Array:
		var items: Array = []
		if not _may_hold(length, depth):
			return items
		for _index in length:
			if not error.is_empty():
				break
			items.append(read(depth + 1))
		return items

	## Whether so many values can follow: each takes a byte at least, so lengths cannot lie much.
	func _may_hold(num_values: int, depth: int) -> bool:
		if depth > MAX_DEPTH:
			_fail("nested deeper than %d" % MAX_DEPTH)
		elif num_values > _size - at:
			_fail("it ends too early")
		return error.is_empty()

	func _text(length: int) -> String:
		var start := at
		var utf8 := _slice(length)
		if not error.is_empty() or utf8.is_empty():
			return ""
		for index in range(start, at):
			var byte := _bytes[index]
			if byte >= 0x80 or byte == 0:
				if not _is_utf8(index):
					_fail("text that is not UTF-8")
					return ""
				break
		return utf8.get_string_from_utf8()

	## Whether what is from [param index] to [member at] is UTF-8 without NUL (RFC 3629).
	func _is_utf8(index: int) -> bool:
		while index < at:
			var byte := _bytes[index]
			index += 1
			if byte == 0:
				return false
			if byte < 0x80:
				continue
			if byte < 0xC2 or byte > 0xF4:
				return false
			var num_more := 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
			if index + num_more > at:
				return false
			var second := _bytes[index]
			if (
				(byte == 0xE0 and second < 0xA0)
				or (byte == 0xED and second > 0x9F)
				or (byte == 0xF0 and second < 0x90)
				or (byte == 0xF4 and second > 0x8F)
			):
				return false
			for offset in num_more:
				if _bytes[index + offset] & 0xC0 != 0x80:
					return false
			index += num_more
		return true

	func _slice(length: int) -> PackedByteArray:
		if length > _size - at:
			_fail("it ends too early")
			return PackedByteArray()
		at += length
		return _bytes.slice(at - length, at)

	func _uint(width: int) -> int:
		if width > _size - at:
			_fail("it ends too early")
			return 0
		var value := 0
		for _index in width:
			value = (value << 8) | _bytes[at]
			at += 1
		return value

	func _int(width: int) -> int:
		var value := _uint(width)
		if width < 8 and value >= 1 << (8 * width - 1):
			value -= 1 << (8 * width)
		return value

	func _float(width: int) -> float:
		var swapped := _slice(width)
		swapped.reverse()
		if not error.is_empty():
			return 0.0
		var value := swapped.decode_float(0) if width == 4 else swapped.decode_double(0)
		if not is_finite(value):
			_fail("NaN or infinity")
		return value

	func _fail(problem: String) -> void:
		if error.is_empty():
			error = "%s (at byte %d)" % [problem, at]
