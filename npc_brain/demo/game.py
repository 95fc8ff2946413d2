"""The game: what each command does. Knows the bridge and the view, no terminal and no process."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from npc_brain.demo.bridge import EARSHOT_CELLS, Bridge
from npc_brain.demo.commands import (
    HELP,
    Attack,
    Command,
    Give,
    Go,
    Help,
    Load,
    Look,
    Mistake,
    Names,
    Quit,
    Save,
    Talk,
    Wait,
    names_of,
    parse,
)
from npc_brain.demo.saves import read_save, write_save
from npc_brain.demo.view import View
from npc_brain.errors import NpcBrainError
from npc_brain.language.en.wording import counted, listed, sentence
from npc_brain.simulation.ground import cells_apart
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.walking import Update

Sleep = Callable[[float], Awaitable[object]]

MAX_APPROACHES = 4
"""How often one walks after somebody who walks on."""


class Game:
    """Carries out commands, one after another.

    Args:
        world: The village.
        bridge: Runs it.
        view: Shows it.
        sleep: Lets real time pass, in seconds (`asyncio.sleep`).
    """

    def __init__(self, world: SimulatedWorld, bridge: Bridge, view: View, sleep: Sleep) -> None:
        self._world = world
        self._bridge = bridge
        self._view = view
        self._sleep = sleep
        self._names = names_in(world)
        self.has_quit = False

    def begin(self) -> None:
        """Tell where the player is and what there is to do."""
        self._view.note(self._world.file.intro)
        for quest in self._world.quests.quests:
            step = self._world.quests.current_step(quest)
            if step is not None:
                self._view.note(f"★ {quest.title}: {step.text}")

    async def run_line(self, line: str) -> bool:
        """Carry out one line; False when it could not be done as meant."""
        command = parse(line, self._names)
        if command is None:
            return True
        self._view.echo(line.strip())
        if isinstance(command, Mistake):
            self._view.error(command.text)
            return False
        try:
            return await self._carry_out(command)
        except NpcBrainError as error:
            self._view.error(f"{error.message} {error.hint}".strip())
            return False

    async def _carry_out(self, command: Command) -> bool:
        match command:
            case Look():
                self._view.look(self._world, self._surroundings())
            case Go(target_id):
                return await self._go(target_id)
            case Talk(npc_id, text):
                return await self._talk(npc_id, text)
            case Give():
                return await self._give(command)
            case Attack(npc_id):
                return await self._attack(npc_id)
            case Wait(seconds):
                await self._sleep(seconds)
            case Save(path):
                write_save(Path(path), self._world.save(), await self._bridge.save())
                self._view.note(f"Saved to {path}.")
            case Load(path):
                await self._bridge.load(*read_save(Path(path)))
                self._view.note(f"Loaded {path}.")
            case Help():
                for line in HELP.splitlines():
                    self._view.note(line)
            case Quit():
                self.has_quit = True
        return True

    async def _go(self, target_id: str) -> bool:
        update = await self._bridge.walk_player(target_id)
        if update.status == "done":
            self._view.note(self._arrival(target_id))
            return True
        self._tell_obstacle(update)
        return update.reason == "locked"  # a door does what doors do

    async def _talk(self, npc_id: str, text: str) -> bool:
        if not await self._approach(npc_id):
            return False
        turn = self._bridge.hear(npc_id, text)
        await turn.ended()
        return True

    async def _give(self, give: Give) -> bool:
        item_name = self._world.name_of(give.item_id)
        held = self._world.count(self._world.player_id, give.item_id)
        if held < give.count:
            self._view.error(f"You have {counted(held, item_name)}.")
            return False
        if not await self._approach(give.npc_id):
            return False
        if self._world.give_from_player(give.npc_id, give.item_id, give.count) is not None:
            self._view.error(f"You no longer have {counted(give.count, item_name)}.")
            return False
        name = self._world.name_of(give.npc_id)
        self._view.note(f"You give {name} {counted(give.count, item_name)}.")
        self._bridge.publish([])
        return True

    async def _attack(self, npc_id: str) -> bool:
        if not await self._approach(npc_id):
            return False
        self._view.note(f"You hit {self._world.name_of(npc_id)}. It does not make you taller.")
        self._world.attack(npc_id)
        self._bridge.publish([])
        return True

    async def _approach(self, npc_id: str) -> bool:
        """Walk to someone unless they are in reach; they may be walking themselves."""
        name = self._world.name_of(npc_id)
        for attempt in range(MAX_APPROACHES):
            if self._world.ground.is_near(self._world.player_id, npc_id):
                return True
            self._view.note(
                f"You walk over to {name}." if attempt == 0 else f"You hurry after {name}."
            )
            update = await self._bridge.walk_player(npc_id)
            if update.status != "done":
                self._tell_obstacle(update)
                return False
        self._view.error(f"{name} is always a few steps ahead.")
        return False

    def _tell_obstacle(self, update: Update) -> None:
        doors = {door.name: door for door in self._world.file.doors}
        door = doors.get(str(update.result.get("door_name")))
        if update.reason == "locked" and door is not None:
            self._view.error(door.locked or f"{door.name} is locked.")
        else:
            name = update.result.get("target_name", "there")
            self._view.error(f"You cannot get to {name} ({update.reason.replace('_', ' ')}).")

    def _arrival(self, target_id: str) -> str:
        place = next((place for place in self._world.file.places if place.id == target_id), None)
        if place is None:
            return f"You walk over to {self._world.name_of(target_id)}."
        return f"{sentence(place.name)} {place.description}{self._company()}"

    def _surroundings(self) -> str:
        world = self._world
        here = world.ground.positions[world.player_id]
        place_id = world.ground.place_near(here, reach_cells=3)
        place = next((place for place in world.file.places if place.id == place_id), None)
        where = (
            f"You are near {place.name}. {place.description}" if place else "You are out of doors."
        )
        held = world.ledger.inventory(world.player_id).items
        bag = listed([counted(count, world.name_of(item)) for item, count in held.items()])
        lines = [where + self._company(), f"You carry {bag}."]
        lines.append("Places: " + ", ".join(place.name for place in world.file.places) + ".")
        for quest in world.quests.quests:
            step = world.quests.current_step(quest)
            lines.append(f"★ {quest.title}: {step.text if step else 'done.'}")
        return "\n".join(lines)

    def _company(self) -> str:
        """Who can be seen from here, as a sentence."""
        positions = self._world.ground.positions
        here = positions[self._world.player_id]
        near = [
            npc.name
            for npc in self._world.file.npcs
            if cells_apart(here, positions[npc.id]) <= EARSHOT_CELLS // 2
        ]
        return f" {listed(near)} {'is' if len(near) == 1 else 'are'} here." if near else ""


def names_in(world: SimulatedWorld) -> Names:
    """What a player may call the people, places and items of a world."""
    return Names(
        npcs=names_of((npc.id, (npc.name, *npc.aliases)) for npc in world.file.npcs),
        places=names_of((place.id, (place.name, *place.aliases)) for place in world.file.places),
        items=names_of((item.id, (item.name, *item.aliases)) for item in world.file.items),
    )
