"""Fills the arguments of a tool from what was heard.

Works from two JSON Schemas of one tool: the declared one, whose marks (`schema.marks`) tell what an
argument refers to, and the legal one, whose enums hold the ids that exist now. It knows no tool by
name. What cannot be told from the text is left out, or named as missing, never guessed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from npc_brain.language.en import phrases
from npc_brain.language.en.words import (
    MAX_CHARS,
    Word,
    find_counts,
    split_clauses,
    split_words,
    stem,
)
from npc_brain.schema.marks import Domain, Ref, counted_by, ref_of
from npc_brain.understanding.linking import Mention
from npc_brain.understanding.trading import Money, trade_sides

_Schema = Mapping[str, Any]

_COUNT_REACH = 3
"""Words that may stand between a number and its item: "two big loaves of bread"."""

_COUNT_STOPS = frozenset({"for", "to", "from", "with", "and", "or", "a", "an", "some", "give"})
"""Words after which a number no longer counts what comes: "will you take four for that rope"."""

_TOWARDS = re.compile(
    r"\b(?:to|for|from|with|after|of|by|on|give|hand|bring|follow|join|pay)\s+(?:the\s+|my\s+)?$",
    re.IGNORECASE,
)
"""What comes before the name of an optional argument: "give it to Borin", "follow the smith"."""

_AWAY = re.compile(
    r"\b(?:from|not|than|except|left|leave|leaving)\s+(?:the\s+|a\s+)?$", re.IGNORECASE
)


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
        declared: The tool's own JSON Schema, with its marks.
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
    filled: dict[str, Any] = {}
    exchange = _exchange(declared, legal)
    if exchange is not None:
        filled |= exchange.fill(legal["properties"], heard, money)
    for name, schema in legal.get("properties", {}).items():
        if exchange is None or name not in exchange.names:
            marks = declared["properties"].get(name, {})
            value = heard.value(name, marks, schema, is_required=name in required, filled=filled)
            if value is not None:
                filled[name] = value
        if name not in filled and name in (defaults or {}):
            filled[name] = (defaults or {})[name]
    for name in required:
        if name not in filled:
            marks = declared["properties"].get(name, {})
            ref = ref_of(marks.get("items", marks))
            named = [mention.id for mention in heard.of_kinds(ref.domain.kinds)] if ref else []
            return Missing(name, named[0] if named else "", filled)
    return filled


class _Heard:
    """A text with its names and numbers."""

    def __init__(
        self, text: str, mentions: Sequence[Mention], focus: tuple[int, int] | None
    ) -> None:
        self.text = text[:MAX_CHARS]
        self.mentions = [mention for mention in mentions if mention.end <= MAX_CHARS]
        self.focus = focus or (0, len(text))
        self.words = split_words(self.text)
        self.counts = find_counts(self.words)

    def items(self) -> list[Mention]:
        """The items named in the clauses around the focus; of the whole text if there are none."""
        start, end = self.focus
        clauses = [(a, b) for a, b in split_clauses(self.text) if a < end and start < b]
        around = (clauses[0][0], clauses[-1][1]) if clauses else self.focus
        return self.of_kinds(frozenset({"item"}), around)

    def of_kinds(
        self, kinds: frozenset[str], focus: tuple[int, int] | None = None
    ) -> list[Mention]:
        """The mentions of some kinds, in order; those in focus if there are any."""
        fitting = [mention for mention in self.mentions if mention.kind in kinds]
        start, end = focus or self.focus
        in_focus = [mention for mention in fitting if start <= mention.start < end]
        return in_focus or fitting

    def value(
        self, name: str, marks: _Schema, schema: _Schema, *, is_required: bool, filled: _Schema
    ) -> Any | None:
        """The value of one argument, or None."""
        counted = counted_by(marks)
        if counted or (schema.get("type") == "integer" and "count" in name):
            return self._count(schema, filled.get(counted or "item"))
        if schema.get("type") == "array":
            return self._list(ref_of(marks.get("items", {})), schema)
        if ref := ref_of(marks):
            return self._id(ref, schema, is_required=is_required)
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
                return None if self._is_cut(between) else value
        return None

    def price_of(self, mention: Mention, money: Money) -> int | None:
        """The price said for a thing (a number that does not count it), else what it costs."""
        count = self.count_of(mention)
        said = next((value for _, _, value in self.counts if value != count), None)
        listed = money.prices.get(mention.id)
        return said if said is not None or listed is None else listed * (count or 1)

    def _is_cut(self, words: Sequence[Word]) -> bool:
        return any(
            word.lower in _COUNT_STOPS or any(m.start <= word.start < m.end for m in self.mentions)
            for word in words
        )

    def _count(self, schema: _Schema, item_id: Any) -> int | None:
        mention = next((m for m in self.mentions if m.id == item_id), None)
        count = self.count_of(mention) if mention else None
        return count if count is not None and count >= schema.get("minimum", 0) else None

    def _id(self, ref: Ref, schema: _Schema, *, is_required: bool) -> str | None:
        legal = [m for m in self.of_kinds(ref.domain.kinds) if m.id in schema.get("enum", ())]
        if not is_required:
            legal = [m for m in legal if _TOWARDS.search(self.text[: m.start])]
        if not legal and ref.domain is Domain.TAG:
            return self._option(schema.get("enum", ()))
        wanted = [m for m in legal if not _AWAY.search(self.text[: m.start])] or legal
        return max(wanted, key=lambda mention: mention.score).id if wanted else None

    def _list(self, ref: Ref | None, schema: _Schema) -> list[str] | None:
        """The ids in the order of their mention, each once."""
        if ref is None:
            return None
        kinds = ref.domain.kinds
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


@dataclass(frozen=True, slots=True)
class _Exchange:
    """The arguments of a tool that gives one item for another; a count's name may be empty."""

    given: str
    given_count: str
    taken: str
    taken_count: str

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.given, self.given_count, self.taken, self.taken_count})

    def fill(self, legal: _Schema, heard: _Heard, money: Money | None) -> dict[str, Any]:
        """What the text says of both sides; one for money where it names only the other."""
        can_give, can_take = legal[self.given]["enum"], legal[self.taken]["enum"]
        sides = trade_sides(
            heard.text,
            heard.items(),
            can_give=can_give,
            can_take=can_take,
            money_id=money.item_id if money else "",
        )
        given, taken = sides.given, sides.taken
        values: dict[str, Any] = {}
        if given is not None:
            values |= {self.given: given.id, self.given_count: heard.count_of(given)}
        if taken is not None:
            values |= {self.taken: taken.id, self.taken_count: heard.count_of(taken)}
        if money is not None and given is not None and taken is None and money.item_id in can_take:
            values |= {self.taken: money.item_id, self.taken_count: heard.price_of(given, money)}
        if money is not None and taken is not None and given is None and money.item_id in can_give:
            values |= {self.given: money.item_id, self.given_count: heard.price_of(taken, money)}
        return {n: value for n, value in values.items() if n in legal and value is not None}


def _exchange(declared: _Schema, legal: _Schema) -> _Exchange | None:
    """The arguments of an exchange, if the tool has both sides now."""
    sides: dict[Domain | None, str] = {}
    counts: dict[str, str] = {}
    for name, schema in declared["properties"].items():
        if name in legal.get("properties", {}):
            ref = ref_of(schema)
            sides.setdefault(ref.domain if ref else None, name)
            counts[counted_by(schema)] = name
    given, taken = sides.get(Domain.HELD_ITEM), sides.get(Domain.SPEAKER_ITEM)
    if given is None or taken is None:
        return None
    return _Exchange(given, counts.get(given, ""), taken, counts.get(taken, ""))
