"""Fills the arguments of a tool from what was heard.

Works from two JSON Schemas of one tool: the declared one, whose `x-` marks tell what an argument
refers to (`x-ref`, `x-default`, `x-count-of`), and the legal one, whose enums hold the ids that
exist now. It knows no tool by name. What cannot be told from the text is left out, or named as
missing, never guessed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from npc_brain.understanding import phrases
from npc_brain.understanding.linking import Mention
from npc_brain.understanding.trading import Money, trade_sides
from npc_brain.understanding.words import Word, find_counts, split_words, stem

_Schema = Mapping[str, Any]

_KINDS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ("item", "held_item", "usable_item", "wearable_item", "speaker_item"), frozenset({"item"})
    ),
    "place": frozenset({"place"}),
    "person": frozenset({"person"}),
    "npc": frozenset({"person"}),
    "holder": frozenset({"person", "object"}),
    "inventory": frozenset({"person", "object"}),
    "entity": frozenset({"person", "object"}),
    "target": frozenset({"place", "person", "object"}),
    "tag": frozenset({"tag"}),
    "any": frozenset({"item", "place", "person", "object", "tag"}),
}
"""The kinds of mention that each `x-ref` accepts."""

_GIVEN = "held_item"
_TAKEN = "speaker_item"
_COUNT_REACH = 3
"""Words that may stand between a number and its item: "two big loaves of bread"."""

_TOWARDS = re.compile(
    r"\b(?:to|for|from|with|after|of|by|give|hand|bring|follow|join|pay)\s+$", re.I
)
_AWAY = re.compile(r"\b(?:from|not|than|except|left|leave|leaving)\s+(?:the\s+|a\s+)?$", re.I)


@dataclass(frozen=True, slots=True)
class Missing:
    """An argument that a tool needs and the text does not give.

    Attributes:
        parameter: The argument's name.
        mentioned_id: What the text names for it although it is not legal now; empty if nothing.
        filled: The arguments that were found.
    """

    parameter: str
    mentioned_id: str = ""
    filled: dict[str, Any] = field(default_factory=dict)


def fill(
    declared: _Schema,
    legal: _Schema,
    text: str,
    mentions: Sequence[Mention],
    *,
    focus: tuple[int, int] | None = None,
    defaults: Mapping[str, Any] | None = None,
    money: Money | None = None,
) -> dict[str, Any] | Missing:
    """The arguments that `text` gives.

    Args:
        declared: The tool's own JSON Schema, with `x-` marks.
        legal: The same, narrowed to what is legal now; arguments that it lacks are not filled.
        text: What was heard.
        mentions: What it names.
        focus: (start, end) of the part that asks; names outside of it count only if it has none.
        defaults: Values by argument for what the text does not say.
        money: What things cost; then a trade in which only one side is named is one for money.

    Returns:
        Arguments that fit the legal schema but for counts, which are as said ("a hundred"), or the
        first required argument that is missing.
    """
    heard = _Heard(text, mentions, focus)
    required = legal.get("required", ())
    filled = dict(_trade(declared, legal, heard, money))
    for name, schema in legal.get("properties", {}).items():
        if name in filled:
            continue
        marks = declared["properties"].get(name, {})
        value = heard.value(name, marks, schema, is_required=name in required, filled=filled)
        if value is None:
            value = (defaults or {}).get(name)
        if value is not None:
            filled[name] = value
    for name in required:
        if name not in filled:
            kinds = _KINDS.get(declared["properties"].get(name, {}).get("x-ref", ""), frozenset())
            named = [mention.id for mention in heard.of_kinds(kinds)]
            return Missing(name, named[0] if named else "", filled)
    return filled


class _Heard:
    """A text with its names and numbers."""

    def __init__(
        self, text: str, mentions: Sequence[Mention], focus: tuple[int, int] | None
    ) -> None:
        self.text = text
        self.mentions = mentions
        self.focus = focus or (0, len(text))
        self.words = split_words(text)
        self.counts = find_counts(self.words)

    def of_kinds(self, kinds: frozenset[str]) -> list[Mention]:
        """The mentions of some kinds, in order; those in focus if there are any."""
        fitting = [mention for mention in self.mentions if mention.kind in kinds]
        start, end = self.focus
        in_focus = [mention for mention in fitting if start <= mention.start < end]
        return in_focus or fitting

    def value(
        self, name: str, marks: _Schema, schema: _Schema, *, is_required: bool, filled: _Schema
    ) -> Any | None:
        """The value of one argument, or None."""
        if "x-count-of" in marks or (schema.get("type") == "integer" and "count" in name):
            return self._count(schema, filled.get(marks.get("x-count-of", "item")))
        if schema.get("type") == "array":
            return self._list(marks.get("items", {}), schema)
        if "x-ref" in marks:
            return self._id(marks, schema, is_required=is_required)
        if "enum" in schema:
            return self._option(schema["enum"])
        if schema.get("type") == "integer":
            return self.counts[0][2] if self.counts else None
        if schema.get("type") == "string" and is_required:
            return self._free_text(name, schema)
        return None

    def count_of(self, mention: Mention) -> int | None:
        """The number said with a mention: the last one shortly before it, with no name between."""
        first = next(n for n, word in enumerate(self.words) if word.start >= mention.start)
        last = next(n for n, word in enumerate(self.words) if word.end >= mention.end)
        for start, end, value in reversed(self.counts):
            if first <= start <= last:
                return value
            between = self.words[end:first]
            if end <= first and len(between) <= _COUNT_REACH:
                return None if self._has_mention(between) else value
        return None

    def loose_count(self, mentions: Sequence[Mention]) -> int | None:
        """A number that belongs to none of `mentions`."""
        bound = {self.count_of(mention) for mention in mentions}
        return next((value for _, _, value in self.counts if value not in bound), None)

    def _has_mention(self, words: Sequence[Word]) -> bool:
        return any(m.start <= word.start < m.end for m in self.mentions for word in words)

    def _count(self, schema: _Schema, item_id: Any) -> int | None:
        mention = next((m for m in self.mentions if m.id == item_id), None)
        count = self.count_of(mention) if mention else None
        return count if count is not None and count >= schema.get("minimum", 0) else None

    def _id(self, marks: _Schema, schema: _Schema, *, is_required: bool) -> str | None:
        kinds = _KINDS.get(marks["x-ref"], frozenset())
        legal = [m for m in self.of_kinds(kinds) if m.id in schema.get("enum", ())]
        if not is_required:
            legal = [m for m in legal if _TOWARDS.search(self.text[: m.start])]
        if not legal and marks["x-ref"] == "tag":
            return self._option(schema.get("enum", ()))
        wanted = [m for m in legal if not _AWAY.search(self.text[: m.start])] or legal
        return wanted[0].id if wanted else None

    def _list(self, marks: _Schema, schema: _Schema) -> list[str] | None:
        """The ids in the order of their mention, each once."""
        if "x-ref" not in marks:
            return None
        kinds = _KINDS.get(marks["x-ref"], frozenset())
        allowed = schema["items"].get("enum", ())
        starts: dict[int, str] = {}
        for mention in self.mentions:
            if mention.kind in kinds and mention.id in allowed:
                starts.setdefault(mention.start, mention.id)
        ids = list(dict.fromkeys(starts.values()))[: schema.get("maxItems")]
        return ids if ids and len(ids) >= schema.get("minItems", 1) else None

    def _option(self, options: Sequence[str]) -> str | None:
        """The option all of whose words are in the text."""
        said = {stem(word.lower) for word in self.words}
        for option in options:
            words = [stem(word) for word in str(option).casefold().replace("_", " ").split()]
            if words and said.issuperset(words):
                return option
        return None

    def _free_text(self, name: str, schema: _Schema) -> str | None:
        start, end = self.focus
        if name == "name":
            items = self.of_kinds(frozenset({"item"}))
            found = self.text[items[0].start : items[0].end] if items else None
            found = found or phrases.thing_asked_for(self.text[start:end])
        else:
            found = phrases.content(self.text[start:end]) or phrases.content(self.text)
        found = found[: schema.get("maxLength", len(found))].strip()
        return found if len(found) >= max(1, schema.get("minLength", 1)) else None


def _trade(
    declared: _Schema, legal: _Schema, heard: _Heard, money: Money | None
) -> Mapping[str, Any]:
    """Both sides of an exchange, if the tool has both: what is given and what is taken."""
    names = {
        mark: next((n for n, p in declared["properties"].items() if p.get("x-ref") == mark), "")
        for mark in (_GIVEN, _TAKEN)
    }
    given, taken = names[_GIVEN], names[_TAKEN]
    properties = legal.get("properties", {})
    if given not in properties or taken not in properties:
        return {}
    items = heard.of_kinds(frozenset({"item"}))
    sides = trade_sides(
        heard.text, items,
        can_give=properties[given].get("enum", ()), can_take=properties[taken].get("enum", ()),
        money_id=money.item_id if money else "",
    )  # fmt: skip
    values: dict[str, Any] = {}
    for name, mention in ((given, sides.given), (taken, sides.taken)):
        if mention is not None:
            values[name] = mention.id
            if (count := heard.count_of(mention)) is not None:
                values[_count_name(declared, name)] = count
    if money is not None and len(values.keys() & {given, taken}) == 1:
        paid, bought = (taken, given) if given in values else (given, taken)
        count = values.get(_count_name(declared, bought), 1)
        said = heard.loose_count([m for m in (sides.given, sides.taken) if m])
        price = said or count * money.prices.get(values[bought], 0)
        if price and money.item_id in properties[paid].get("enum", ()):
            values |= {paid: money.item_id, _count_name(declared, paid): price}
    return {name: value for name, value in values.items() if name in properties}


def _count_name(declared: _Schema, item_name: str) -> str:
    """The argument that counts another; empty if there is none."""
    properties = declared["properties"].items()
    return next((n for n, schema in properties if schema.get("x-count-of") == item_name), "")
