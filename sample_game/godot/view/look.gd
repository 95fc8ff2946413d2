class_name Look
extends RefCounted
## Colours, boxes and texts of the user interface, in one place.

const INK := Color("241c2c")
const CREAM := Color("f6e7c1")
const STRAW := Color("e8c170")
const MUTED := Color("b8a58c")
const PANEL := preload("res://art/panel.png")
const BUBBLE := preload("res://art/bubble.png")
const ITEMS := preload("res://art/items.png")
const SMALL := 16
const NORMAL := 18
const LARGE := 22

const _ITEM_ORDER: PackedStringArray = [
	"coin",
	"ale",
	"stew",
	"bread",
	"cheese",
	"apple",
	"honey_cake",
	"sausage",
	"lantern",
	"cellar_key",
	"tap_mallet",
	"sword",
	"horseshoe",
	"rope",
	"gate_pass",
]


## A panel's box.
static func box(texture: Texture2D = PANEL, margin := 12.0) -> StyleBoxTexture:
	var style := StyleBoxTexture.new()
	style.texture = texture
	style.set_texture_margin_all(6)
	style.set_content_margin_all(margin)
	return style


## A panel with a column in it; gives the column.
static func column(panel: PanelContainer, margin := 12.0) -> VBoxContainer:
	panel.add_theme_stylebox_override("panel", box(PANEL, margin))
	var rows := VBoxContainer.new()
	rows.add_theme_constant_override("separation", 6)
	panel.add_child(rows)
	return rows


## A text.
static func label(text: String, size := NORMAL, colour := CREAM) -> Label:
	var made := Label.new()
	made.text = text
	made.add_theme_font_size_override("font_size", size)
	made.add_theme_color_override("font_color", colour)
	return made


## The picture of an item.
static func icon(item_id: String) -> AtlasTexture:
	var index := _ITEM_ORDER.find(item_id)
	var texture := AtlasTexture.new()
	texture.atlas = ITEMS
	texture.region = Rect2((index if index >= 0 else _ITEM_ORDER.size()) * 16, 0, 16, 16)
	return texture
