"""Alderford in C#: its rules are the terminal game's, and its tour ends the quest."""

import json
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from npc_brain.demo.commands import Attack, Give, Go, Mistake, Talk, Wait, parse
from npc_brain.demo.game import names_in
from npc_brain.npc.loader import load_definitions
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.walking import Update
from npc_brain.simulation.world_file import load_world_file
from tests.bridges.mono import (
    PACKAGE,
    ROOT,
    STANDALONE,
    compile_csharp,
    needs_mono,
    run_mono,
)
from tests.counts import count, needs_full

SAMPLE = PACKAGE / "Samples~" / "Tavern"
GAME = ROOT / "sample_game"
NUM_RANDOM_WORLDS = count(200, 12)
NUM_OPERATIONS = 120

COMMANDS = (
    "go", "go to the Drowsy Heron", "go to innkeeper", "walk MARKET square", "go nowhere at all",
    "talk", "talk mira", "talk to the gate guard  Open up!", "say pip “Hello there”", "ask x why",
    "give apple", "give 2 horseshoes to osric", "give the honeycake smith", "give 0 ale Pip",
    "give 3 coppers the miller's daughter", "give moon mira", "give ale nobody", "attack",
    "attack the guard", "hit ghost", "wait", "wait 2.5", "wait -1", "wait long", "wait 601", "look",
    "l", "give", "?", "q", "dance", "LOOK", "  # comment", "give tap_mallet mira",
    "give an apple to pip",
)  # fmt: skip

pytestmark = needs_mono

Operation = dict[str, Any]


@pytest.fixture(scope="session")
def tavern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console game, compiled as the C# that Unity takes."""
    sources = [*SAMPLE.rglob("*.cs"), *(PACKAGE / "Runtime").rglob("*.cs")]
    for folder in ("Stubs", "Console"):
        sources += (STANDALONE / folder).glob("*.cs")
    return compile_csharp(tmp_path_factory.mktemp("tavern") / "tavern.exe", sources)


def test_a_scripted_walk_through_the_quest_is_the_terminal_games(tavern: Path) -> None:
    operations = [
        {"op": "state", "npc": "mira", "state": "working/tending_bar"},
        *_walk("player", 1, "cellar"),
        {"op": "state", "npc": "mira", "state": "working/waiting_for_mallet"},
        *_walk("player", 2, "fennick"),
        _act("fennick", 1, "inventory_trade", give_item="lantern", take_item="coin"),
        _act("fennick", 2, "inventory_trade", give_item="honey_cake", take_item="coin",
             take_count=4),
        *_walk("player", 3, "osric"),
        _act("osric", 1, "inventory_trade", give_item="tap_mallet", take_item="coin",
             take_count=4),
        _act("osric", 2, "inventory_trade", give_item="sword", take_item="coin", take_count=40),
        _act("osric", 3, "inventory_trade", give_item="tap_mallet", take_item="honey_cake"),
        *_walk("player", 4, "mira"),
        _act("mira", 1, "inventory_give", item="cellar_key", to="player"),
        {"op": "give", "npc": "mira", "item": "tap_mallet", "count": 1},
        {"op": "give", "npc": "mira", "item": "tap_mallet", "count": 1},
        _act("mira", 2, "inventory_give", item="cellar_key", to="player"),
        *_walk("player", 5, "cellar"),
        {"op": "attack", "npc": "mira"},
        _act("pip", 1, "follow", person="player"),
        {"op": "tick", "seconds": 2.0},
        {"op": "cancel", "actor": "pip", "id": 1},
        {"op": "cancel", "actor": "pip", "id": 1},
        {"op": "all"},
    ]  # fmt: skip
    told = _compare(tavern, operations)
    assert told[-1]["quests"] == {"cellar": 5}
    reasons = {row[3] for answer in told for row in answer["outcomes"] if row[2] == "refused"}
    assert reasons == {"locked", "bad_deal", "wants_cake", "no_pass", "not_yet"}


def test_random_deals_are_the_terminal_games_and_keep_every_item(tavern: Path) -> None:
    world = _python_world()
    totals = {item.id: world.ledger.total(item.id) for item in world.file.items}
    for seed in range(NUM_RANDOM_WORLDS):
        rng = random.Random(seed)
        operations = [_random_operation(rng, world, index) for index in range(NUM_OPERATIONS)]
        told = _compare(tavern, [*operations, {"op": "all"}])
        assert told[-1]["totals"] == totals, f"seed {seed}"


def test_paths_cost_what_the_sidecar_says(tavern: Path) -> None:
    world = _python_world()
    starts = [place.position for place in world.file.places]
    goals = [*starts, *(thing.position for thing in (*world.file.npcs, *world.file.objects))]
    operations: list[Operation] = []
    for start in starts:
        operations.append({"op": "place", "actor": "hedda", "cell": list(start)})
        operations += [{"op": "path", "actor": "hedda", "cell": list(goal)} for goal in goals]
    costs = [
        answer["cost"] for answer in _compare(tavern, operations) if answer.get("cost") is not None
    ]
    assert len(costs) > 100


def test_commands_mean_what_they_mean_in_the_terminal(tavern: Path) -> None:
    names = names_in(_python_world())
    script = (GAME / "scripts" / "tour.txt").read_text(encoding="utf-8").splitlines()
    lines = [*script, *COMMANDS]
    told = _answers(tavern, [{"op": "read", "line": line} for line in lines])
    for line, answer in zip(lines, told, strict=True):
        verb, target, item, amount, text = answer["command"]
        match parse(line, names):
            case None:
                assert verb == "Nothing", line
            case Mistake(text=wanted):
                assert verb == "Mistake", line
                assert text.split(" Did you mean")[0] == wanted.split(" Did you mean")[0]
            case Go(target_id):
                assert (verb, target) == ("Go", target_id), line
            case Talk(npc_id, said):
                assert (verb, target, text) == ("Talk", npc_id, said), line
            case Give(item_id, number, npc_id):
                assert (verb, target, item, amount) == ("Give", npc_id, item_id, number), line
            case Attack(npc_id):
                assert (verb, target) == ("Attack", npc_id), line
            case Wait(seconds):
                assert (verb, amount) == ("Wait", seconds), line
            case other:
                assert verb == type(other).__name__, line


def test_the_tour_ends_the_quest_without_a_model(tavern: Path) -> None:
    said = _tour(tavern, "none")
    assert "said by the model" not in said
    assert re.search("^Mira: .*24 mugs of ale", said, re.MULTILINE)


@needs_full
@pytest.mark.model
def test_the_tour_ends_the_quest_with_the_embedded_model(tavern: Path) -> None:
    assert "said by the model" in _tour(tavern, "smollm2-135m")


def test_a_tour_that_goes_wrong_is_told(tavern: Path, tmp_path: Path) -> None:
    script = tmp_path / "wrong.txt"
    script.write_text("go moon\nquit\n", encoding="utf-8")
    played = _play(tavern, script, "none")
    assert played.returncode == 1
    assert '! You know no place "moon".' in played.stdout


def test_the_sample_has_the_same_village() -> None:
    data = SAMPLE / "Resources" / "NpcBrainTavern"
    assert (data / "world.json").read_bytes() == (GAME / "world.json").read_bytes()
    copied = {path.name: path.read_bytes() for path in data.glob("npcs/*.yaml")}
    assert copied == {path.name: path.read_bytes() for path in GAME.glob("npcs/*.yaml")}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ('{"version": 1', "ends too soon"),
        ('{"version": 2}', "$.version"),
        ('{"version": 1, "name": 3}', "$.name must be text"),
        ('{"version": 1, "name": "x", "player": {"id": "p"}}', "$.player.name is missing"),
        ('{"version": "\\ud8zz"}', "hex"),
        ("[" * 100, "too deep"),
    ],
)
def test_a_damaged_world_file_is_one_clear_line(
    tavern: Path, tmp_path: Path, damage: str, said: str
) -> None:
    path = tmp_path / "world.json"
    path.write_text(damage, encoding="utf-8")
    ran = _run(tavern, "rules", "--world", str(path), stdin="{}\n")
    assert ran.returncode == 2
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


# --- the same operations in both worlds --------------------------------------------------------


def _compare(tavern: Path, operations: Sequence[Operation]) -> list[dict[str, Any]]:
    """Carry out operations in both worlds; each answer must be the same. Returns the answers."""
    world = _python_world()
    told = _answers(tavern, operations)
    for operation, answer in zip(operations, told, strict=True):
        wanted = json.loads(json.dumps(_carry_out(world, operation)))
        if "cost" in wanted and wanted["cost"] is not None:
            wanted["cost"] = pytest.approx(wanted["cost"])
        assert _comparable(answer) == _comparable(wanted), operation
    return told


def _answers(tavern: Path, operations: Sequence[Operation]) -> list[dict[str, Any]]:
    lines = [json.dumps(_inventories()), *(json.dumps(operation) for operation in operations)]
    ran = _run(tavern, "rules", "--world", str(GAME / "world.json"), stdin="\n".join(lines) + "\n")
    assert ran.returncode == 0, ran.stderr
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(told) == len(operations)
    return told


def _comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """Without the number of steps: of two ways that cost the same either may be taken."""
    outcomes = [
        (actor, action_id, status, reason, {**result, "steps": None, "steps_left": None})
        for actor, action_id, status, reason, result in answer["outcomes"]
    ]
    return {**answer, "outcomes": outcomes}


def _carry_out(world: SimulatedWorld, operation: Operation) -> dict[str, Any]:
    updates: list[Update] = []
    told: dict[str, Any] = {}
    match operation:
        case {"op": "begin", "actor": actor, "id": action_id, "tool": tool, "args": args}:
            updates = world.begin(actor, action_id, tool, args)
        case {"op": "cancel", "actor": actor, "id": action_id}:
            updates = world.cancel(actor, action_id)
        case {"op": "tick", "seconds": seconds}:
            updates = world.tick(seconds)
        case {"op": "give", "npc": npc_id, "item": item, "count": number}:
            told["shortage"] = world.give_from_player(npc_id, item, number) is not None
        case {"op": "attack", "npc": npc_id}:
            world.attack(npc_id)
        case {"op": "state", "npc": npc_id, "state": state}:
            world.note_state(npc_id, state)
        case {"op": "place", "actor": actor, "cell": [x, y]}:
            world.ground.move(actor, (x, y))
        case {"op": "path", "actor": actor, "cell": [x, y]}:
            told["cost"] = _cost_of_path(world, actor, (x, y))
        case {"op": "all"}:
            told |= _all_of(world)
    return {
        **told,
        "outcomes": [
            (row.actor_id, row.action_id, row.status, row.reason, row.result) for row in updates
        ],
        "events": [(event.npc_id, event.event, event.data) for event in world.take_events()],
        "notices": world.take_notices(),
    }


def _cost_of_path(world: SimulatedWorld, actor: str, goal: tuple[int, int]) -> float | None:
    path = world.ground.path(actor, goal)
    if path is None:
        return None
    here, cost = world.ground.positions[actor], 0.0
    for cell in path:
        is_diagonal = here[0] != cell[0] and here[1] != cell[1]
        cost += world.file.terrain_at(cell).cost * (2**0.5 if is_diagonal else 1.0)
        here = cell
    return cost


def _all_of(world: SimulatedWorld) -> dict[str, Any]:
    inventories = {owner: world.ledger.inventory(owner) for owner in world.ledger.owners}
    return {
        "held": {owner: inventory.items for owner, inventory in inventories.items()},
        "worn": {owner: inventory.equipped for owner, inventory in inventories.items()},
        "totals": {item.id: world.ledger.total(item.id) for item in world.file.items},
        "positions": world.ground.positions,
        "facts": world.snapshot().facts,
        "quests": world.quests.num_done,
        "costs": list(world.ground.nav_grid().cells),
    }


def _random_operation(rng: random.Random, world: SimulatedWorld, index: int) -> Operation:
    """Anything that NPCs may ask for, much of it nonsense; places are reached by magic."""
    people = ["player", *world.npc_ids]
    items = [item.id for item in world.file.items]
    numbers: list[object] = [1, 1, 1, 2, 3, 12, 0, -1, 10**7, 1.5, "two", True, None]
    anyone = [*people, "barrel", "nobody", 7]
    actor = rng.choice([*people, "nobody"] if rng.random() < 0.05 else people)

    def item() -> object:
        return rng.choice([*items, "gold"] if rng.random() < 0.05 else items)

    def number() -> object:
        return 1 if rng.random() < 0.6 else rng.choice(numbers)

    match rng.randrange(9):
        case 0 | 1:
            key = rng.choice(("to", "to", "source"))
            args = {"item": item(), "count": number(), key: rng.choice(anyone)}
            tool = rng.choice(("inventory_give", "inventory_take"))
            return _act(actor, index, tool, **args)
        case 2 | 3:
            return _act(
                actor, index, "inventory_trade", give_item=item(), give_count=number(),
                take_item=item(), take_count=number(), partner=rng.choice(people),
            )  # fmt: skip
        case 4:
            return _act(actor, index, rng.choice(("inventory_use", "inventory_equip")), item=item())
        case 5:
            tool = rng.choice(("stop", "emote", "sing"))
            return _act(actor, index, tool, kind="wave")
        case 6:
            return {
                "op": "give",
                "npc": rng.choice(world.npc_ids),
                "item": rng.choice(items),
                "count": rng.choice((1, 2, 5)),
            }
        case 7:
            place = rng.choice([place for place in world.file.places if place.id != "high_road"])
            who = rng.choice(people)
            return {"op": "place", "actor": who, "cell": [int(part) for part in place.position]}
        case _:
            return {"op": "tick", "seconds": rng.choice((0.016, 0.1, 0.35))}


def _act(actor: str, action_id: int, tool: str, **args: object) -> Operation:
    return {"op": "begin", "actor": actor, "id": action_id, "tool": tool, "args": args}


def _walk(actor: str, action_id: int, target: str) -> list[Operation]:
    """A walk across the village, to its end."""
    return [
        _act(actor, action_id, "go_to", target=target),
        *[{"op": "tick", "seconds": 0.05}] * 400,
    ]


def _python_world() -> SimulatedWorld:
    return SimulatedWorld(load_world_file(GAME / "world.json"), _inventories())


def _inventories() -> dict[str, dict[str, int]]:
    definitions = load_definitions(GAME / "npcs")
    return {npc_id: dict(npc.inventory) for npc_id, npc in definitions.items()}


def _tour(program: Path, model: str) -> str:
    """What is said on the tour of the terminal game; it must end the quest."""
    played = _play(program, GAME / "scripts" / "tour.txt", model)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "★ What cries in the cellar: done." in played.stdout
    return played.stdout


def _play(program: Path, script: Path, model: str) -> subprocess.CompletedProcess[str]:
    sidecar = Path(sys.executable).with_name("npc-brain")
    return _run(
        program, "play", "--data", str(GAME), "--script", str(script),
        "--sidecar", str(sidecar), "--model", model,
    )  # fmt: skip


def _run(program: Path, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return run_mono(program, *args, stdin=stdin)
