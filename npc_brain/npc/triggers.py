"""Which `heard` entry of the active states answers to what was heard.

The innermost state's entries come first, then its parents'. Within a state the order is the
author's, with one exception. An entry by `keywords` or `pattern` that matches is taken where it
stands. When an entry by `like` matches, all of the state's `like` entries are compared and the one
nearest in meaning is taken: how near sentences are is nothing that an author can put in order.

An entry only takes part when its guard holds, one of `wants` is mentioned, and it is not a `once`
entry that was taken before.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from npc_brain.npc.compile import Node, Reaction
from npc_brain.npc.definition import Heard
from npc_brain.npc.expressions import Scope
from npc_brain.npc.machine import Machine, MachineState
from npc_brain.patterns import compiled
from npc_brain.understanding.matching import Encoder, MeaningMatcher

MAX_CHARS = 1000
"""Read of one text, from its start; bounds the time that an author's pattern can take."""

_CURLY = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})


@dataclass(frozen=True, slots=True)
class TriggerMatch:
    """The result of matching a text.

    Attributes:
        reaction: The entry that answers to it; None when none does.
        entry: Its key, or that of the entry by meaning that came nearest; may be empty.
        likeness: Of the text to that entry's examples; 1 for keywords and patterns.
        min_likeness: How much is needed there.
    """

    reaction: Reaction | None = None
    entry: str = ""
    likeness: float = 0.0
    min_likeness: float = 0.0


class Triggers:
    """The `heard` entries of one machine, ready to be matched; shared by all NPCs of the file."""

    def __init__(self, machine: Machine, encoder: Encoder) -> None:
        """Compile patterns and encode example sentences.

        Args:
            machine: Whose entries.
            encoder: Compares sentences; `understanding.lexical` where there is no model.
        """
        self._nodes = machine.nodes  # not the machine, of which a cache keeps this as long
        self._finders: dict[str, Callable[[str], bool]] = {}
        examples: dict[str, tuple[str, ...]] = {}
        for node in machine.nodes.values():
            for label, reaction in _own_reactions(node):
                if reaction.heard.like:
                    examples[label] = reaction.heard.like
                else:
                    self._finders[label] = _finder(reaction.heard)
        self._meaning = MeaningMatcher(encoder, examples) if examples else None

    def match(
        self, state: MachineState, text: str, mentions: Collection[str], scope: Scope
    ) -> TriggerMatch:
        """The entry that answers to `text`, if any does.

        Runs the encoder once when an entry by meaning may match (a few ms).

        Args:
            state: Where the NPC is.
            text: What was heard.
            mentions: Ids that the text names.
            scope: For guards.
        """
        heard = text[:MAX_CHARS].translate(_CURLY)
        scores: Mapping[str, float] | None = None
        missed = TriggerMatch()
        for name in reversed(self._nodes[state.name].path):
            nearest: TriggerMatch | None = None
            for label, reaction in _own_reactions(self._nodes[name]):
                if not _takes_part(reaction, state, mentions, scope):
                    continue
                if finder := self._finders.get(label):
                    if nearest is None and finder(heard):
                        return TriggerMatch(reaction, reaction.key, 1.0, 1.0)
                    continue
                if scores is None:
                    scores = self._meaning.scores(heard) if self._meaning else {}
                score = scores.get(label, 0.0)
                if score < reaction.heard.min:
                    if score > missed.likeness:
                        missed = TriggerMatch(None, reaction.key, score, reaction.heard.min)
                elif nearest is None or score > nearest.likeness:
                    nearest = TriggerMatch(reaction, reaction.key, score, reaction.heard.min)
            if nearest is not None:
                return nearest
        return missed


def _own_reactions(node: Node) -> list[tuple[str, Reaction]]:
    return [(f"{node.name}/{index}", each) for index, each in enumerate(node.reactions)]


def _takes_part(
    reaction: Reaction, state: MachineState, mentions: Collection[str], scope: Scope
) -> bool:
    heard = reaction.heard
    if heard.once and reaction.key in state.used:
        return False
    if heard.wants and not any(wanted in mentions for wanted in heard.wants):
        return False
    return reaction.guard is None or reaction.guard.evaluate(scope)


def _finder(heard: Heard) -> Callable[[str], bool]:
    if heard.pattern is not None:
        return compiled(heard.pattern, ignore_case=True).is_in
    phrases = (r"\s+".join(map(re.escape, phrase.split())) for phrase in heard.keywords)
    keywords = re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)", re.IGNORECASE)
    return lambda text: keywords.search(text) is not None
