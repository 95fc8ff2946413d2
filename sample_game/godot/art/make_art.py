#!/usr/bin/env python3
"""Draws the village's pictures: `python make_art.py` (needs Pillow), into the folder it lies in.

Tiles are 16 x 16 pixels. Ground that borders on grass has 16 forms, one for each set of its four
neighbours that are of its kind: bit 1 north, 2 east, 4 south, 8 west.
"""

import random
from pathlib import Path

from PIL import Image, ImageDraw

HERE = Path(__file__).parent
T = 16
"""Pixels of a tile."""

PALETTE = {
    "ink": "#241c2c", "shadow": "#3b2f3f", "bark": "#5a3b2e", "wood": "#8a5a3c",
    "plank": "#a9744a", "light_wood": "#cf9a62", "straw": "#e8c170", "cream": "#f6e7c1",
    "moss": "#33502f", "leaf": "#4d7339", "grass": "#6d9146", "lime": "#93b355",
    "deep": "#2b4a6b", "water": "#3f7396", "foam": "#7fb8c4", "stone_dark": "#57545f",
    "stone": "#7d7a83", "stone_light": "#a8a39d", "earth": "#8d6b4b", "path": "#b38f63",
    "dust": "#cfae7f", "red": "#b2443e", "ember": "#e2803a", "flame": "#f7c65b",
    "violet": "#8a5a9c", "blue": "#5579b0", "skin": "#e6b48a", "skin_dark": "#c18a63",
    "white": "#fff8e7",
}  # fmt: skip


def rgb(name: str, alpha: int = 255) -> tuple[int, int, int, int]:
    """A colour of the palette, or `#rrggbb`."""
    text = PALETTE.get(name, name).lstrip("#")
    return (*(int(text[i : i + 2], 16) for i in (0, 2, 4)), alpha)


def tile(width: int = T, height: int = T) -> Image.Image:
    return Image.new("RGBA", (width, height), (0, 0, 0, 0))


def speckle(image: Image.Image, colours: list[str], share: float, rng: random.Random) -> None:
    for y in range(image.height):
        for x in range(image.width):
            if image.getpixel((x, y))[3] and rng.random() < share:
                image.putpixel((x, y), rgb(rng.choice(colours)))


def grass(seed: int) -> Image.Image:
    rng = random.Random(seed)
    image = Image.new("RGBA", (T, T), rgb("grass"))
    speckle(image, ["#678a43", "#739849"], 0.22, rng)
    for _ in range(3):
        x, y = rng.randrange(1, 14), rng.randrange(2, 14)
        for dx, dy in ((0, 0), (1, -1), (2, 0)):
            image.putpixel((x + dx if x + dx < T else x, y + dy), rgb("lime"))
        image.putpixel((x + 1, y), rgb("leaf"))
    if seed % 5 == 4:
        for colour in rng.sample(["white", "flame", "red", "violet"], 2):
            x, y = rng.randrange(2, 13), rng.randrange(2, 13)
            image.putpixel((x, y), rgb(colour))
            image.putpixel((x + 1, y), rgb("cream"))
            image.putpixel((x, y + 1), rgb("leaf"))
    return image


def edge_depths(rng: random.Random) -> list[int]:
    """How far grass reaches in, pixel by pixel along a side."""
    depths, depth = [], 2
    for _ in range(T):
        depth = max(1, min(3, depth + rng.choice([-1, 0, 0, 1])))
        depths.append(depth)
    return depths


def bordered(ground: Image.Image, mask: int, rim: str, lip: str, seed: int) -> Image.Image:
    """`ground` cut where its neighbours are of another kind, with a rim; the rest is clear."""
    rng = random.Random(seed)
    image = ground.copy()
    inside = [[True] * T for _ in range(T)]
    for bit, side in ((1, "n"), (2, "e"), (4, "s"), (8, "w")):
        if mask & bit:
            continue
        for along, depth in enumerate(edge_depths(rng)):
            for step in range(depth):
                x, y = {"n": (along, step), "s": (along, T - 1 - step),
                        "w": (step, along), "e": (T - 1 - step, along)}[side]  # fmt: skip
                inside[y][x] = False
    for bits, (cx, cy) in {3: (15, 0), 6: (15, 15), 12: (0, 15), 9: (0, 0)}.items():
        if mask & bits == 0:
            for y in range(T):
                for x in range(T):
                    if abs(x - cx) + abs(y - cy) < 6:
                        inside[y][x] = False
    for y in range(T):
        for x in range(T):
            if not inside[y][x]:
                image.putpixel((x, y), (0, 0, 0, 0))
            elif y > 0 and not inside[y - 1][x]:
                image.putpixel((x, y), rgb(lip))
            elif any(
                0 <= x + dx < T and 0 <= y + dy < T and not inside[y + dy][x + dx]
                for dx, dy in ((1, 0), (-1, 0), (0, 1))
            ):
                image.putpixel((x, y), rgb(rim))
    return image


def road(mask: int) -> Image.Image:
    rng = random.Random(100 + mask)
    ground = Image.new("RGBA", (T, T), rgb("path"))
    speckle(ground, ["#aa865b", "#bb986c", "dust"], 0.2, rng)
    for _ in range(3):
        ground.putpixel((rng.randrange(T), rng.randrange(T)), rgb("earth"))
    return bordered(ground, mask, "earth", "#9a784f", 300 + mask)


def cobbles(mask: int) -> Image.Image:
    rng = random.Random(200 + mask)
    ground = Image.new("RGBA", (T, T), rgb("#6f6b70"))
    draw = ImageDraw.Draw(ground)
    for row in range(4):
        for column in range(-1, 4):
            x, y = column * 5 + (row % 2) * 2, row * 4
            shade = rng.choice(["#8f8a8c", "#99948f", "#868288", "#a39d94"])
            draw.rectangle((x, y, x + 3, y + 2), fill=rgb(shade))
            draw.line((x, y, x + 3, y), fill=rgb("#b0aaa0"))
    return bordered(ground, mask, "#5d5a5c", "#565356", 400 + mask)


def water(mask: int, frame: int) -> Image.Image:
    rng = random.Random(500 + mask)
    ground = Image.new("RGBA", (T, T), rgb("water"))
    speckle(ground, ["#3b6d90", "#447a9c"], 0.25, rng)
    for _ in range(3):
        x, y = rng.randrange(0, 12), rng.randrange(1, 15)
        shift = (frame * 4 + y) % 12
        for dx in range(3 + (y % 2)):
            ground.putpixel(((x + shift + dx) % T, y), rgb("foam" if dx % 3 else "#a9d4d6"))
    return bordered(ground, mask, "#6aa3b5", "deep", 600 + mask)


def wheat(mask: int) -> Image.Image:
    rng = random.Random(700 + mask)
    ground = Image.new("RGBA", (T, T), rgb("#a9853f"))
    for x in range(0, T, 2):
        height = rng.randrange(2, 6)
        for y in range(T):
            shade = "straw" if (y + height) % 6 < 2 else rng.choice(["#c79a4b", "#d6ab57"])
            ground.putpixel((x, y), rgb(shade))
            if rng.random() < 0.3:
                ground.putpixel((x + 1, y), rgb("#8f6c33"))
    return bordered(ground, mask, "#7a5f33", "#7a5f33", 800 + mask)


def floor(seed: int) -> Image.Image:
    rng = random.Random(900 + seed)
    image = Image.new("RGBA", (T, T), rgb("#9a6b46"))
    draw = ImageDraw.Draw(image)
    for row in range(4):
        shade = rng.choice(["#9a6b46", "#a2724b", "#936541"])
        draw.rectangle((0, row * 4, 15, row * 4 + 3), fill=rgb(shade))
        draw.line((0, row * 4 + 3, 15, row * 4 + 3), fill=rgb("#74492f"))
        x = rng.randrange(2, 14)
        draw.line((x, row * 4, x, row * 4 + 2), fill=rgb("#74492f"))
        image.putpixel((rng.randrange(T), row * 4 + 1), rgb("#b5845a"))
    return image


def wall_top() -> Image.Image:
    image = Image.new("RGBA", (T, T), rgb("#4a3340"))
    draw = ImageDraw.Draw(image)
    draw.rectangle((1, 1, 14, 14), fill=rgb("#5b414a"))
    draw.line((1, 1, 14, 1), fill=rgb("#735560"))
    draw.line((1, 1, 1, 14), fill=rgb("#6a4d57"))
    return image


def wall_front(seed: int) -> Image.Image:
    """Timber and plaster, lit from the west."""
    rng = random.Random(1000 + seed)
    image = Image.new("RGBA", (T, T), rgb("#d8b98a"))
    speckle(image, ["#d1b081", "#dfc296"], 0.2, rng)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 15, 2), fill=rgb("#5b414a"))
    draw.line((0, 3, 15, 3), fill=rgb("#8a6a52"))
    draw.line((0, 4, 15, 4), fill=rgb("#b89a70"))
    draw.rectangle((0, 12, 15, 15), fill=rgb("stone_dark"))
    for x in range(0, T, 5):
        draw.rectangle((x, 12, x + 3, 14), fill=rgb("stone"))
        draw.line((x, 12, x + 3, 12), fill=rgb("stone_light"))
    if seed % 2 == 0:
        draw.rectangle((6, 3, 8, 11), fill=rgb("wood"))
        draw.line((6, 3, 6, 11), fill=rgb("light_wood"))
    else:
        draw.rectangle((4, 5, 11, 10), fill=rgb("bark"))
        draw.rectangle((5, 6, 10, 9), fill=rgb("flame"))
        draw.line((7, 6, 7, 9), fill=rgb("bark"))
        draw.line((5, 6, 10, 6), fill=rgb("#fde6a4"))
    return image


def doorway() -> Image.Image:
    image = floor(3)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1, 15), fill=rgb("bark"))
    draw.rectangle((14, 0, 15, 15), fill=rgb("bark"))
    draw.rectangle((2, 11, 13, 15), fill=rgb("light_wood"))
    draw.line((2, 11, 13, 11), fill=rgb("cream"))
    return image


def door(is_open: bool, is_gate: bool) -> Image.Image:
    image = road(15) if is_gate else floor(1)
    draw = ImageDraw.Draw(image)
    if is_open:
        draw.rectangle((0, 0, 2, 15), fill=rgb("wood"))
        draw.line((2, 0, 2, 15), fill=rgb("light_wood"))
        return image
    draw.rectangle((0, 0, 15, 15), fill=rgb("bark"))
    for x in (1, 6, 11):
        draw.rectangle((x, 1, x + 3, 14), fill=rgb("wood"))
        draw.line((x, 1, x, 14), fill=rgb("plank"))
    draw.rectangle((0, 4, 15, 5), fill=rgb("stone_dark"))
    draw.rectangle((0, 11, 15, 12), fill=rgb("stone_dark"))
    draw.rectangle((11, 7, 13, 9), fill=rgb("flame"))
    return image


def palisade() -> Image.Image:
    image = tile()
    draw = ImageDraw.Draw(image)
    for index, y in enumerate((0, 5, 10)):
        shade = ("wood", "plank", "wood")[index]
        draw.rectangle((5, y, 10, y + 5), fill=rgb(shade), outline=rgb("bark"))
        draw.line((6, y + 1, 6, y + 4), fill=rgb("light_wood"))
        draw.line((11, y + 1, 12, y + 5), fill=rgb("ink", 70))
    return image


def bridge() -> Image.Image:
    image = Image.new("RGBA", (T, T), rgb("plank"))
    draw = ImageDraw.Draw(image)
    for x in range(0, T, 4):
        draw.rectangle((x, 0, x + 2, 15), fill=rgb("plank" if x % 8 else "#b57f53"))
        draw.line((x + 3, 0, x + 3, 15), fill=rgb("bark"))
    draw.rectangle((0, 0, 15, 2), fill=rgb("bark"))
    draw.line((0, 0, 15, 0), fill=rgb("light_wood"))
    draw.rectangle((0, 13, 15, 15), fill=rgb("bark"))
    draw.line((0, 13, 15, 13), fill=rgb("light_wood"))
    return image


def shaded_ellipse(draw: ImageDraw.ImageDraw, box: tuple[int, ...], dark: str, light: str) -> None:
    draw.ellipse(box, fill=rgb(dark), outline=rgb("ink"))
    x0, y0, x1, y1 = box
    draw.ellipse((x0 + 1, y0 + 1, x1 - 2, y1 - 3), fill=rgb(light))


def prop(name: str) -> Image.Image:
    """Furniture, on clear ground; 16 x 20, the lowest 16 rows being its cell."""
    image = tile(T, 20)
    draw = ImageDraw.Draw(image)
    if name != "forge":
        draw.ellipse((1, 15, 14, 19), fill=rgb("ink", 70))
    if name == "counter":
        draw.rectangle((0, 5, 15, 18), fill=rgb("wood"), outline=rgb("bark"))
        draw.rectangle((0, 4, 15, 9), fill=rgb("light_wood"))
        draw.line((0, 4, 15, 4), fill=rgb("straw"))
        draw.rectangle((3, 1, 6, 5), fill=rgb("straw"), outline=rgb("bark"))
        draw.line((3, 1, 6, 1), fill=rgb("white"))
    elif name == "table":
        draw.rectangle((1, 6, 14, 13), fill=rgb("plank"), outline=rgb("bark"))
        draw.line((2, 7, 13, 7), fill=rgb("straw"))
        draw.rectangle((2, 14, 4, 18), fill=rgb("bark"))
        draw.rectangle((11, 14, 13, 18), fill=rgb("bark"))
        draw.rectangle((7, 5, 9, 8), fill=rgb("flame"), outline=rgb("ember"))
    elif name == "barrel":
        draw.rounded_rectangle((2, 4, 13, 18), 3, fill=rgb("wood"), outline=rgb("ink"))
        draw.line((5, 6, 5, 16), fill=rgb("light_wood"))
        draw.line((9, 6, 9, 16), fill=rgb("bark"))
        draw.line((2, 8, 13, 8), fill=rgb("stone_dark"))
        draw.line((2, 14, 13, 14), fill=rgb("stone_dark"))
        draw.ellipse((3, 3, 12, 7), fill=rgb("plank"), outline=rgb("bark"))
    elif name == "bed":
        draw.rectangle((2, 3, 13, 19), fill=rgb("wood"), outline=rgb("bark"))
        draw.rectangle((3, 4, 12, 8), fill=rgb("white"))
        draw.rectangle((3, 9, 12, 18), fill=rgb("violet"))
        draw.line((3, 9, 12, 9), fill=rgb("#b68ac4"))
        draw.line((4, 13, 11, 13), fill=rgb("#74488a"))
    elif name == "well":
        draw.ellipse((0, 8, 15, 19), fill=rgb("stone"), outline=rgb("stone_dark"))
        draw.ellipse((3, 9, 12, 15), fill=rgb("ink"))
        draw.ellipse((5, 11, 10, 14), fill=rgb("deep"))
        draw.rectangle((1, 2, 2, 12), fill=rgb("bark"))
        draw.rectangle((13, 2, 14, 12), fill=rgb("bark"))
        draw.polygon([(0, 4), (7, 0), (8, 0), (15, 4)], fill=rgb("red"), outline=rgb("ink"))
    elif name == "stall":
        draw.rectangle((0, 9, 15, 18), fill=rgb("wood"), outline=rgb("bark"))
        draw.rectangle((1, 9, 14, 12), fill=rgb("light_wood"))
        for x, colour in ((2, "red"), (5, "flame"), (8, "lime"), (11, "ember")):
            draw.ellipse((x, 8, x + 3, 11), fill=rgb(colour), outline=rgb("bark"))
        for x in range(0, T, 4):
            draw.rectangle((x, 0, x + 3, 5), fill=rgb("red" if x % 8 else "cream"))
        draw.line((0, 6, 15, 6), fill=rgb("#7c2f33"))
        draw.line((0, 0, 15, 0), fill=rgb("white", 160))
    elif name == "anvil":
        draw.rectangle((5, 13, 10, 18), fill=rgb("bark"))
        draw.polygon([(0, 8), (14, 8), (14, 12), (10, 13), (5, 13), (3, 11)],
                     fill=rgb("stone_dark"), outline=rgb("ink"))  # fmt: skip
        draw.line((1, 8, 13, 8), fill=rgb("stone_light"))
    elif name == "forge":
        draw.rectangle((0, 2, 15, 19), fill=rgb("stone_dark"), outline=rgb("ink"))
        draw.rectangle((3, 8, 12, 17), fill=rgb("ink"))
        draw.polygon([(4, 17), (6, 10), (8, 14), (10, 9), (12, 17)], fill=rgb("ember"))
        draw.polygon([(6, 17), (8, 13), (10, 17)], fill=rgb("flame"))
        draw.line((1, 3, 14, 3), fill=rgb("stone_light"))
    elif name == "millstone":
        shaded_ellipse(draw, (0, 5, 15, 19), "stone", "stone_light")
        draw.ellipse((6, 9, 9, 12), fill=rgb("ink"))
    return image


def tree(seed: int) -> Image.Image:
    """32 x 40, its trunk at the middle of the lowest cell."""
    rng = random.Random(1500 + seed)
    image = tile(32, 40)
    draw = ImageDraw.Draw(image)
    draw.ellipse((5, 31, 26, 39), fill=rgb("ink", 80))
    draw.rectangle((13, 26, 18, 36), fill=rgb("bark"))
    draw.line((14, 26, 14, 35), fill=rgb("wood"))
    autumn = seed % 4 == 3
    dark, mid, light = ("#7a4a2a", "#b2702f", "#dba048") if autumn else ("moss", "leaf", "lime")
    blobs = [(16, 12, 11), (9, 18, 9), (23, 18, 9), (16, 21, 10)]
    for x, y, r in blobs:
        draw.ellipse((x - r - 1, y - r - 1, x + r + 1, y + r + 1), fill=rgb("#22331f"))
    for x, y, r in blobs:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=rgb(dark))
    for x, y, r in blobs:
        draw.ellipse((x - r + 1, y - r, x + r - 4, y + r - 5), fill=rgb(mid))
    for _ in range(46):
        x, y = rng.randrange(4, 28), rng.randrange(2, 28)
        if image.getpixel((x, y))[3] == 255:
            shade = light if y < 16 - (x - 12) * 0.4 else dark
            image.putpixel((x, y), rgb(shade))
            if x < 30:
                image.putpixel((x + 1, y), rgb(shade))
    return image


PEOPLE = {
    # hair, clothes, their shade, trousers or skirt, a special feature
    "player": ("#5b3a29", "blue", "#41608f", "#54463f", "pack"),
    "mira": ("#a4502f", "ember", "#b8602c", "cream", "apron"),
    "osric": ("#33272a", "red", "#8c3331", "#4b3a37", "beard"),
    "hedda": ("#d8b25a", "stone", "stone_dark", "#46506b", "helmet"),
    "fennick": ("#6b5248", "violet", "#6d4580", "#3f4a58", "hat"),
    "pip": ("#c98a3c", "lime", "#78964a", "#6f5a45", "braids"),
}


def person(look: tuple[str, ...], direction: str, frame: int, is_small: bool) -> Image.Image:
    """16 x 24, feet at the bottom."""
    hair, cloth, shade, legs, feature = look
    image = tile(T, 24)
    draw = ImageDraw.Draw(image)
    draw.ellipse((3, 20, 12, 23), fill=rgb("ink", 90))
    top = 5 if is_small else 2
    step = 1 if frame else 0
    side = direction in ("left", "right")
    for index, x in enumerate((5, 9)):
        lift = step if index == 0 else (1 - step if frame else 0)
        draw.rectangle((x, 17, x + 2, 21 - lift), fill=rgb(legs), outline=rgb("ink"))
    draw.rectangle((3, top + 9, 12, 18), fill=rgb(cloth), outline=rgb("ink"))
    draw.rectangle((9, top + 10, 11, 17), fill=rgb(shade))
    if not side:
        for x in (2, 12):
            draw.rectangle((x, top + 10, x + 1, 15 + step), fill=rgb(shade), outline=rgb("ink"))
            draw.point((x + (x < 8), 16 + step), fill=rgb("skin"))
    else:
        x = 7
        draw.rectangle((x, top + 11, x + 2, 16), fill=rgb(shade))
        draw.rectangle((x, 17, x + 2, 17), fill=rgb("skin"))
    if feature == "apron" and direction != "up":
        draw.rectangle((5, top + 12, 10, 18), fill=rgb("cream"))
        draw.line((5, 18, 10, 18), fill=rgb("#cdb98c"))
    draw.rounded_rectangle((3, top, 12, top + 9), 3, fill=rgb("skin"), outline=rgb("ink"))
    draw.rectangle((4, top + 1, 11, top + 3), fill=rgb(hair))
    draw.line((4, top + 1, 8, top + 1), fill=lighter(hair))
    if direction == "up":
        draw.rectangle((4, top + 1, 11, top + 7), fill=rgb(hair))
        draw.line((5, top + 2, 7, top + 2), fill=lighter(hair))
    elif direction == "down":
        draw.point([(4, top + 4), (11, top + 4), (4, top + 5), (11, top + 5)], fill=rgb(hair))
        draw.point([(6, top + 5), (9, top + 5), (6, top + 6), (9, top + 6)], fill=rgb("ink"))
        draw.line((7, top + 8, 8, top + 8), fill=rgb("skin_dark"))
    else:
        back = range(8, 12) if direction == "left" else range(4, 8)
        for x in back:
            draw.line((x, top + 3, x, top + 6), fill=rgb(hair))
        eye = 5 if direction == "left" else 10
        draw.line((eye, top + 5, eye, top + 6), fill=rgb("ink"))
    features(draw, feature, direction, top, hair)
    return image


def features(draw: ImageDraw.ImageDraw, feature: str, direction: str, top: int, hair: str) -> None:
    if feature == "hat":
        draw.rectangle((1, top + 1, 14, top + 2), fill=rgb("#3f3145"), outline=rgb("ink"))
        draw.rectangle((4, top - 2, 11, top + 1), fill=rgb("#57415e"), outline=rgb("ink"))
        draw.point((10, top - 1), fill=rgb("flame"))
    elif feature == "helmet":
        draw.rounded_rectangle((3, top - 1, 12, top + 3), 2, fill=rgb("stone_light"),
                               outline=rgb("ink"))  # fmt: skip
        draw.line((5, top, 8, top), fill=rgb("white"))
    elif feature == "beard" and direction != "up":
        draw.rectangle((5, top + 7, 10, top + 9), fill=rgb(hair))
        draw.line((7, top + 7, 8, top + 7), fill=rgb("skin_dark"))
    elif feature == "braids":
        for x in (2, 13):
            draw.line((x, top + 5, x, top + 9), fill=rgb(hair))
            draw.point((x, top + 10), fill=rgb("red"))
    elif feature == "pack" and direction != "down":
        x = 9 if direction == "left" else 3 if direction == "right" else 4
        width = 3 if direction in ("left", "right") else 7
        draw.rectangle((x, top + 10, x + width, 17), fill=rgb("plank"), outline=rgb("ink"))
    elif feature == "apron" and direction != "up":
        draw.point([(3, top + 4), (12, top + 4)], fill=rgb(hair))


def lighter(colour: str) -> tuple[int, int, int, int]:
    red, green, blue, alpha = rgb(colour)
    return (min(255, red + 40), min(255, green + 36), min(255, blue + 28), alpha)


def item(name: str) -> Image.Image:
    """An icon of 16 x 16."""
    image = tile()
    draw = ImageDraw.Draw(image)
    ink = rgb("ink")
    if name == "coin":
        draw.ellipse((3, 3, 12, 12), fill=rgb("ember"), outline=ink)
        draw.ellipse((5, 5, 9, 9), outline=rgb("flame"))
    elif name == "ale":
        draw.rectangle((3, 4, 10, 14), fill=rgb("straw"), outline=ink)
        draw.rectangle((3, 2, 10, 5), fill=rgb("white"), outline=ink)
        draw.arc((9, 6, 14, 12), -90, 90, fill=ink, width=2)
    elif name == "stew":
        draw.pieslice((1, 2, 14, 16), 0, 180, fill=rgb("wood"), outline=ink)
        draw.ellipse((1, 6, 14, 11), fill=rgb("ember"), outline=ink)
        draw.point([(5, 8), (9, 9), (7, 7)], fill=rgb("lime"))
    elif name == "bread":
        draw.rounded_rectangle((1, 5, 14, 12), 4, fill=rgb("light_wood"), outline=ink)
        for x in (5, 8, 11):
            draw.line((x, 6, x - 1, 9), fill=rgb("cream"))
    elif name == "cheese":
        draw.polygon([(1, 11), (14, 4), (14, 13), (1, 13)], fill=rgb("flame"), outline=ink)
        draw.ellipse((9, 8, 11, 10), fill=rgb("ember"))
    elif name == "apple":
        draw.ellipse((3, 4, 12, 14), fill=rgb("red"), outline=ink)
        draw.line((5, 6, 6, 8), fill=rgb("#e28b7e"))
        draw.line((8, 1, 8, 4), fill=rgb("bark"))
        draw.line((9, 3, 11, 2), fill=rgb("lime"))
    elif name == "honey_cake":
        draw.rounded_rectangle((2, 6, 13, 13), 2, fill=rgb("plank"), outline=ink)
        draw.rectangle((2, 4, 13, 8), fill=rgb("flame"), outline=ink)
        draw.point([(4, 9), (8, 10), (11, 9)], fill=rgb("flame"))
    elif name == "sausage":
        draw.arc((0, -4, 14, 12), 20, 150, fill=ink, width=6)
        draw.arc((1, -3, 13, 11), 22, 148, fill=rgb("red"), width=4)
    elif name == "lantern":
        draw.rectangle((4, 5, 11, 13), fill=rgb("stone"), outline=ink)
        draw.rectangle((6, 7, 9, 11), fill=rgb("flame"))
        draw.arc((5, 0, 10, 7), 180, 360, fill=ink)
    elif "key" in name:
        draw.ellipse((1, 4, 7, 10), outline=rgb("straw"), width=2)
        draw.line((7, 7, 14, 7), fill=rgb("straw"), width=2)
        draw.line((11, 8, 11, 11), fill=rgb("straw"))
        draw.line((13, 8, 13, 10), fill=rgb("straw"))
    elif "mallet" in name or "hammer" in name:
        draw.line((4, 14, 10, 6), fill=rgb("light_wood"), width=2)
        draw.rectangle((5, 1, 14, 7), fill=rgb("wood"), outline=ink)
    elif "sword" in name:
        draw.line((3, 13, 12, 3), fill=rgb("stone_light"), width=3)
        draw.line((12, 2, 13, 2), fill=rgb("white"))
        draw.line((2, 9, 7, 13), fill=rgb("straw"), width=2)
        draw.point((2, 14), fill=rgb("bark"))
    elif "horseshoe" in name:
        draw.arc((3, 1, 12, 13), 140, 400, fill=rgb("stone_dark"), width=3)
    elif "rope" in name:
        draw.ellipse((2, 4, 13, 13), outline=rgb("straw"), width=3)
    elif "pass" in name or "letter" in name or "map" in name:
        draw.rectangle((2, 3, 13, 12), fill=rgb("cream"), outline=ink)
        draw.line((4, 6, 11, 6), fill=rgb("stone"))
        draw.ellipse((9, 8, 12, 11), fill=rgb("red"))
    else:
        draw.ellipse((2, 5, 13, 14), fill=rgb("plank"), outline=ink)
        draw.rectangle((5, 3, 10, 6), fill=rgb("wood"), outline=ink)
    return image


def cat() -> Image.Image:
    image = tile()
    draw = ImageDraw.Draw(image)
    draw.ellipse((1, 8, 14, 15), fill=rgb("cream"), outline=rgb("#c9b58b"))
    draw.ellipse((3, 7, 12, 13), fill=rgb("stone"), outline=rgb("ink"))
    draw.ellipse((1, 4, 7, 10), fill=rgb("stone"), outline=rgb("ink"))
    draw.point([(2, 3), (6, 3)], fill=rgb("ink"))
    draw.point([(3, 7), (5, 7)], fill=rgb("flame"))
    return image


def glow() -> Image.Image:
    image = Image.new("RGBA", (96, 96))
    for y in range(96):
        for x in range(96):
            away = ((x - 47.5) ** 2 + (y - 47.5) ** 2) ** 0.5 / 48
            strength = max(0.0, 1 - away) ** 2
            image.putpixel((x, y), (255, 196, 110, int(105 * strength)))
    return image


def panel(fill: str, border: str) -> Image.Image:
    image = tile(24, 24)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, 23, 23), 5, fill=rgb("ink", 235))
    draw.rounded_rectangle((1, 1, 22, 22), 4, fill=rgb(border))
    draw.rounded_rectangle((3, 3, 20, 20), 3, fill=rgb(fill))
    return image


def sheet(images: list[Image.Image], columns: int) -> Image.Image:
    width, height = images[0].size
    rows = -(-len(images) // columns)
    whole = Image.new("RGBA", (width * columns, height * rows))
    for index, image in enumerate(images):
        whole.paste(image, (index % columns * width, index // columns * height))
    return whole


PROPS = ["counter", "table", "barrel", "bed", "well", "stall", "anvil", "forge", "millstone"]
ITEMS = [
    "coin", "ale", "stew", "bread", "cheese", "apple", "honey_cake", "sausage", "lantern",
    "cellar_key", "tap_mallet", "sword", "horseshoe", "rope", "gate_pass", "other",
]  # fmt: skip


def main() -> None:
    grounds = [grass(seed) for seed in range(16)]
    grounds += [make(mask) for make in (road, cobbles, wheat) for mask in range(16)]
    grounds += [water(mask, frame) for frame in range(3) for mask in range(16)]
    singles = [floor(seed) for seed in range(4)] + [wall_top()]
    singles += [wall_front(seed) for seed in range(2)] + [doorway()]
    singles += [door(is_open, gate) for gate in (False, True) for is_open in (False, True)]
    singles += [palisade(), bridge(), tile(), tile()]
    pictures = {
        "tiles": sheet(grounds + singles, 16),
        "props": sheet([prop(name) for name in PROPS], len(PROPS)),
        "trees": sheet([tree(seed) for seed in range(4)], 4),
        "items": sheet([item(name) for name in ITEMS], 16),
        "cat": cat(),
        "glow": glow(),
        "panel": panel("#3a2c3a", "#8a6a4a"),
        "bubble": panel("#fff4d9", "#c9a36a"),
    }
    for name, look in PEOPLE.items():
        frames = [
            person(look, direction, frame, name == "pip")
            for direction in ("down", "up", "left", "right")
            for frame in range(2)
        ]
        pictures[name] = sheet(frames, 2)
    for name, picture in pictures.items():
        picture.save(HERE / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
