extends RefCounted
## Makes a picture small enough to be shown to an NPC: the model sees about 400 x 400 pixels.

const MAX_SIDE_PX := 512
const QUALITY := 0.9


## A JPEG of a [Texture2D] or [Image], or a PNG where it has transparent parts; empty bytes for
## anything else.
static func bytes_of(picture: Resource) -> PackedByteArray:
	var image: Image = null
	if picture is Texture2D:
		image = (picture as Texture2D).get_image()
	elif picture is Image:
		image = (picture as Image).duplicate()
	if image == null or image.is_empty():
		push_error("An NPC is shown a Texture2D or an Image, got %s" % picture)
		return PackedByteArray()
	if image.is_compressed():
		image.decompress()
	var longest := maxi(image.get_width(), image.get_height())
	if longest > MAX_SIDE_PX:
		var scale := float(MAX_SIDE_PX) / longest
		image.resize(
			maxi(1, roundi(image.get_width() * scale)), maxi(1, roundi(image.get_height() * scale))
		)
	if image.detect_alpha() != Image.ALPHA_NONE:
		return image.save_png_to_buffer()
	return image.save_jpg_to_buffer(QUALITY)
