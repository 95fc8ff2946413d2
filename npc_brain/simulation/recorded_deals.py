"""Deals in a village and what came of each, recorded for villages in other languages to repeat.

Many random deals are tried, of sense and of nonsense, and those are kept that changed an inventory
or were answered as few others before them.
"""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from npc_brain.simulation.simulated_world import SimulatedWorld

NUM_TRIED = 12_000
SEED = 11
PER_ANSWER = 8
"""How many deals with the same answer are kept that changed nothing."""
_PER_MEETING = 12
"""Deals tried before people meet anew: who is far away refuses everything."""

Record = dict[str, Any]


def recorded_deals(world: SimulatedWorld) -> Iterator[Record]:
    """Carry deals out, and tell each as one JSON object.

    The first has only `inventories`: what everybody holds at the beginning, as counts by item id
    by owner id. A record with `move` puts that character on the cell `to`. The others ask the world
    for an action (`actor`, `id`, `tool`, `args`) and have its `updates`, pairs of status and
    reason, and the `inventories` that it changed.
    """
    rng = random.Random(SEED)
    num_kept: Counter[tuple[str, str]] = Counter()
    player, held = world.player_id, _inventories(world)
    told_at = world.ground.positions[player]
    yield {"inventories": held}
    for action_id in range(1, NUM_TRIED + 1):
        if action_id % _PER_MEETING == 1:
            _meet(world, rng)
        deal = _deal(world, rng, action_id)
        updates = world.begin(deal["actor"], deal["id"], deal["tool"], deal["args"])
        before, held = held, _inventories(world)
        changed = {owner: held[owner] for owner in held if held[owner] != before.get(owner)}
        answer = (deal["tool"], updates[-1].reason)
        if changed or num_kept[answer] < PER_ANSWER:
            num_kept[answer] += 1
            here = world.ground.positions[player]
            if here != told_at:
                told_at = here
                yield {"move": player, "to": list(here)}
            told = [[update.status, update.reason] for update in updates]
            yield {**deal, "updates": told, "inventories": changed}


def _inventories(world: SimulatedWorld) -> dict[str, dict[str, int]]:
    return {owner: dict(world.ledger.inventory(owner).items) for owner in world.ledger.owners}


def _meet(world: SimulatedWorld, rng: random.Random) -> None:
    """The player goes to someone, if there is a way."""
    player, npc = world.player_id, rng.choice(world.npc_ids)
    path = world.ground.path(player, world.ground.positions[npc])
    if path is not None and len(path) > 1:
        world.ground.move(player, path[-2])


def _deal(world: SimulatedWorld, rng: random.Random, action_id: int) -> Record:
    people = [world.player_id, *world.npc_ids, "nobody"]
    items = [*world.items, "moonbeam"]
    actor = rng.choice(people[:-1])
    if rng.random() < 0.7:
        near = [other for other in people[:-1] if world.ground.is_near(actor, other)]
        people = [other for other in near if other != actor] or people
    stack = {"item": rng.choice(items), "count": rng.choice([1, 1, 1, 2, 30, 0, "two"])}
    trade = {
        "give_item": rng.choice(items),
        "give_count": rng.choice([1, 1, 2]),
        "take_item": rng.choice([*items, *[world.file.currency] * 4]),
        "take_count": rng.choice([1, 2, 4, 10]),
    }
    tool, args = rng.choice([
        ("inventory_give", {"to": rng.choice(people), **stack}),
        ("inventory_take", {"source": rng.choice(people), **stack}),
        ("inventory_trade", {"partner": rng.choice(people), **trade}),
        ("inventory_trade", {"partner": rng.choice(people), **trade}),
        ("inventory_use", {"item": stack["item"]}),
        ("inventory_equip", {"item": stack["item"]}),
        ("inventory_give", stack),
        ("emote", {"emotion": "happy"}),
        ("dance", {}),
    ])  # fmt: skip
    return {"actor": actor, "id": action_id, "tool": tool, "args": args}
