"""What NPCs think with: a language model when there is one, and the understanding of sentences.

Shared by all sessions of a sidecar. Encoding a sentence takes milliseconds and learning an NPC's
examples up to a second, so both happen on a thread of their own and never in the event loop.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar
from weakref import WeakKeyDictionary, ref

from npc_brain.decision.fair_thread import FairThread
from npc_brain.decision.prompt import opening
from npc_brain.errors import InferenceError
from npc_brain.inference.chat import Backend
from npc_brain.language.language import language
from npc_brain.media import Sense
from npc_brain.npc.expressions import Scope
from npc_brain.npc.machine import Machine
from npc_brain.npc.npc import Npc
from npc_brain.npc.triggers import TriggerMatch, Triggers
from npc_brain.patterns import compiled
from npc_brain.tools.registry import STAND_INS
from npc_brain.understanding.choosing import ToolChooser, masked_examples
from npc_brain.understanding.linking import EntityLinker, Mention, Named
from npc_brain.understanding.matching import Encoder, Match
from npc_brain.world.world import World

Examples = Mapping[str, Sequence[str]]
"""What a player may say, by the name of the tool that it asks for."""

MAX_WORLDS = 8
"""Worlds whose names are kept ready to be found in texts."""
MAX_CHOOSERS = 16
"""NPC files whose learned examples are kept."""

_BATCH = 32
_Result = TypeVar("_Result")


class Models:
    """The thinking parts of a sidecar.

    Attributes:
        backend: The language model; None while it loads, and without one.
        encoder: Tells how alike sentences are; replaced when a better one has been loaded.
        sentence_encoder: The same once it knows meanings, not only letters; until then None.
    """

    def __init__(self, encoder: Encoder, backend: Backend | None = None) -> None:
        self.backend = backend
        self.encoder = encoder
        self.sentence_encoder: Encoder | None = None
        self._npcs: WeakKeyDictionary[Npc, tuple[Examples, Callable[[], World]]] = (
            WeakKeyDictionary()
        )
        self._thread = FairThread("npc-brain-understanding")
        self._queries = FairThread("npc-brain-queries")
        self._choosers: OrderedDict[object, ToolChooser] = OrderedDict()
        self._machines: WeakKeyDictionary[Machine, tuple[Encoder, Triggers]] = WeakKeyDictionary()
        self._linkers: OrderedDict[tuple[Named, ...], EntityLinker] = OrderedDict()
        self._latest_linker: tuple[ref[World], EntityLinker] | None = None

    @property
    def senses(self) -> frozenset[Sense]:
        """What the language model can take in besides text."""
        return self.backend.senses if self.backend is not None else frozenset()

    async def run(self, work: Callable[[], _Result], npc: Npc | None = None) -> _Result:
        """Run `work` for an NPC on the understanding thread, without blocking the loop."""
        return await self._thread.run(work, npc)

    async def query(self, work: Callable[[], _Result], owner: str) -> _Result:
        """Run a tool's query, which may search for long, on a thread of its own."""
        return await self._queries.run(work, owner)

    async def refused_by(self, npc: Npc, text: str) -> str | None:
        """The first of the author's safety rules that matches `text`."""
        rules = npc.definition.safety.refuse
        if not rules:
            return None
        matching = (rule for rule in rules if compiled(rule, ignore_case=True).is_in(text))
        return await self.run(lambda: next(matching, None), npc)

    async def mentions(self, npc: Npc, text: str, world: World) -> list[Mention]:
        """What `text` names of the world."""
        return await self.run(lambda: self._linker_for(world).find(text), npc)

    async def choose_tool(
        self,
        npc: Npc,
        text: str,
        mentions: Sequence[Mention],
        legal: Collection[str],
        own_examples: Examples,
        world: World,
    ) -> Match:
        """The tool of `legal` that `text` asks for, or `JUST_TALK`.

        `own_examples` are sentences by tool name besides the English defaults.
        """

        def choose() -> Match:
            return self._chooser(own_examples, world).choose(text, mentions, legal)

        return await self.run(choose, npc)

    async def match_heard(
        self, npc: Npc, text: str, mentions: Sequence[Mention], scope: Scope
    ) -> TriggerMatch:
        """The author's reaction to `text` in the NPC's present state, if any."""
        ids = {mention.id for mention in mentions}
        return await self.run(
            lambda: self._triggers(npc.machine).match(npc.state, text, ids, scope), npc
        )

    async def likeness(self, npc: Npc, text: str, others: Sequence[str]) -> float:
        """How near in meaning `text` is to the nearest of `others`: about 0 to 1."""

        def compare() -> float:
            vectors = self.encoder.encode([text, *others])
            return float((vectors[1:] @ vectors[0]).max())

        return await self.run(compare, npc)

    async def prepare(self, npc: Npc, own_examples: Examples, world: Callable[[], World]) -> None:
        """Learn an NPC's triggers and examples, and its persona, ahead of what it hears first.

        `world` returns the current world; earlier ones are not kept.
        """
        self._npcs[npc] = (own_examples, world)
        await self.run(partial(self._learn, npc, own_examples, world()))
        self._prewarm(npc)

    async def use_encoder(self, encoder: Encoder) -> None:
        """Understand with `encoder` from now on; returns once everything is relearned."""
        examples = [text for _, text in masked_examples(language().examples)]
        for start in range(0, len(examples), _BATCH):  # so that `close` need not wait for all
            await self.run(partial(encoder.learn, examples[start : start + _BATCH]))
        self.encoder = self.sentence_encoder = encoder
        await self.run(lambda: self._chooser({}, World.empty()))
        for npc, (own_examples, world) in list(self._npcs.items()):
            await self.run(partial(self._learn, npc, own_examples, world()))

    def use_backend(self, backend: Backend) -> None:
        """Speak with `backend` from now on."""
        self.backend = backend
        for npc in list(self._npcs):
            self._prewarm(npc)

    def close(self) -> None:
        """End the threads; blocks until they have."""
        self._queries.close()
        self._thread.close()
        if self.backend is not None:
            self.backend.close()

    def _learn(self, npc: Npc, own_examples: Examples, world: World) -> None:
        self._triggers(npc.machine)
        self._chooser(own_examples, world)

    def _prewarm(self, npc: Npc) -> None:
        if self.backend is not None and npc.node.mind == "model":
            with suppress(InferenceError):  # the queue is full: not needed, only faster
                self.backend.prewarm(opening(npc, self.backend.profile))

    def _chooser(self, own_examples: Examples, world: World) -> ToolChooser:
        linker = self._linker_for(world) if own_examples else None  # the defaults name nothing
        key = (
            self.encoder,
            linker,
            tuple((name, tuple(own_examples[name])) for name in own_examples),
        )
        chooser = self._choosers.get(key)
        if chooser is None:
            known = language().examples
            examples = {
                name: (*known.get(name, ()), *own_examples.get(name, ()))
                for name in {**known, **own_examples}
            }
            chooser = self._choosers[key] = ToolChooser(
                self.encoder, examples, linker=linker, stand_ins=STAND_INS
            )
            while len(self._choosers) > MAX_CHOOSERS:
                self._choosers.popitem(last=False)
        self._choosers.move_to_end(key)
        return chooser

    def _triggers(self, machine: Machine) -> Triggers:
        encoder, triggers = self._machines.get(machine, (None, None))
        if triggers is None or encoder is not self.encoder:
            triggers = Triggers(machine, self.encoder)
            self._machines[machine] = (self.encoder, triggers)
        return triggers

    def _linker_for(self, world: World) -> EntityLinker:
        latest = self._latest_linker
        if latest is not None and latest[0]() is world:
            return latest[1]
        named = tuple(named_in(world))
        linker = self._linkers.get(named)
        if linker is None:
            linker = self._linkers[named] = EntityLinker(named)
            while len(self._linkers) > MAX_WORLDS:
                self._linkers.popitem(last=False)
        self._linkers.move_to_end(named)
        self._latest_linker = (ref(world), linker)
        return linker


def named_in(world: World) -> list[Named]:
    """All that a player can name in a world."""
    named = [Named(i.id, "item", (i.name, *i.aliases)) for i in world.items.values()]
    named += [Named(p.id, "place", (p.name, *p.aliases)) for p in world.places.values()]
    for entity in world.entities.values():
        kind = "object" if entity.kind == "object" else "person"
        named.append(Named(entity.id, kind, (entity.name, *entity.aliases)))
    tags = {tag: None for place in world.places.values() for tag in place.tags}
    tags |= {tag: None for entity in world.entities.values() for tag in entity.tags}
    return named + [Named(tag, "tag", (tag.replace("_", " "),)) for tag in tags]
