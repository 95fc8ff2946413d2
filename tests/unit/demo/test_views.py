import io
from pathlib import Path

from rich.console import Console

from npc_brain.demo.keyboard import LineEditor, split_keys
from npc_brain.demo.map_view import draw_map, rows_around_player
from npc_brain.demo.screen import Screen
from npc_brain.demo.view import PlainView
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.world_file import load_world_file


def make_world() -> SimulatedWorld:
    return SimulatedWorld(load_world_file(Path("sample_game/world.json")))


def test_the_map_shows_everyone_where_they_are() -> None:
    world = make_world()
    rows = draw_map(world).plain.split("\n")
    assert len(rows) == world.file.height
    assert {len(row) for row in rows} == {world.file.width}
    for npc in world.file.npcs:
        x, y = npc.position
        assert rows[y][x] == npc.name[0]
    x, y = world.file.player.position
    assert rows[y][x] == "@"


def test_a_low_terminal_shows_the_rows_around_the_player() -> None:
    world = make_world()
    for y in range(1, world.file.height - 1):
        world.ground.positions["player"] = (5, y)
        rows = rows_around_player(world, 7)
        assert len(rows) == 7
        assert y in rows
        assert rows[0] >= 0
        assert rows[-1] < world.file.height


def test_plain_lines_stream_and_the_rest_waits() -> None:
    out = io.StringIO()
    view = PlainView(out)
    first = view.speech("Mira", "#ffffff")
    first.add("Good ")
    assert out.getvalue() == "Mira: Good "
    second = view.speech("Osric", "#ffffff")
    second.add("Hm.")
    view.aside("a tool")
    second.close()
    first.add("evening.")
    first.close()
    assert out.getvalue().splitlines() == ["Mira: Good evening.", "      · a tool", "Osric: Hm."]


def test_a_line_cut_short_is_said_anew() -> None:
    out = io.StringIO()
    view = PlainView(out)
    speech = view.speech("Mira", "#ffffff")
    speech.add("Good e")
    speech.close("Hm, what?")
    assert out.getvalue().splitlines() == ["Mira: Good e", "Mira: Hm, what?"]


def test_plain_output_has_no_control_codes() -> None:
    out = io.StringIO()
    view, world = PlainView(out), make_world()
    view.echo("look")
    view.look(world, "You see.")
    view.progress("Downloading", 0.3)
    view.progress("Downloading", 0.31)
    view.error("No.")
    text = out.getvalue()
    assert all(char == "\n" or char.isprintable() for char in text)
    assert text.count("Downloading") == 1


def test_the_screen_draws_map_people_quest_and_talk_at_any_size() -> None:
    world = make_world()
    for width, height in ((120, 50), (80, 24), (40, 12), (10, 5)):
        console = Console(width=width, height=height, force_terminal=True, file=io.StringIO())
        with Screen(console, world, LineEditor()) as screen:
            screen.echo("talk mira hello")
            speech = screen.speech("Mira", "#ff0000")
            speech.add("Good e")
            speech.close("Good evening.")
            screen.aside("a tool")
            screen.refresh()
        with console.capture() as capture:
            console.print(screen._draw())
        shown = capture.get()
        if width >= 80:
            assert "@" in shown
            assert "Good evening." in shown
            assert "Fennick" in shown


def test_the_line_editor() -> None:
    editor = LineEditor()
    for key in split_keys("lok\x7f\x7fook\x1b[C"):
        assert editor.press(key) is None
    assert editor.press("\r") == "look"
    editor.press("up")
    assert editor.text == "look"
    editor.press("down")
    assert editor.text == ""
    for key in split_keys("go the well\x17smith\x15x"):
        editor.press(key)
    assert editor.text == "x"
    editor.press("\x04")
    assert editor.text == "x"
