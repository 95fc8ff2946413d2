"""Which of the things named in an offer the player gives, and which the player wants."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from npc_brain.understanding.linking import Mention

_SELLING = re.compile(
    r"\b(?:sell you|sell(?! me)|selling|you (?:\w+ ){0,3}buy|buying (?:my|some|this)|"
    r"interest(?:ed in buying| you in)|buy [^.?!]{0,80} (?:off|from) me|"
    r"take [^.?!]{0,80} off my hands)\b",
    re.IGNORECASE,
)
"""The player sells: then what is named first is offered, and money is wanted."""

_OFFER = re.compile(
    r"\b(?:my|mine|pay|offer|(?:give|gave) you|sell|here (?:is|are)|i have|i've got|"
    r"(?<!in )exchange|you (?:\w+ ){0,2}(?:take|want|accept)|for these|these|this)\b",
    re.IGNORECASE,
)
_WANT = re.compile(
    r"\b(?:your|yours|buy|purchase|sell me|give me|get|want|need|have|like|take|that)\b",
    re.IGNORECASE,
)
_FOR = re.compile(r"\b(?:for|against|and get|in return)\b", re.IGNORECASE)

_LEGAL_WEIGHT = 1.5
_SURE = 3.0
"""More than a few words can outweigh."""


@dataclass(frozen=True, slots=True)
class Money:
    """What things cost, in one item.

    Attributes:
        item_id: The item that counts as money.
        prices: How many of it one of an item costs, by item id.
    """

    item_id: str
    prices: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sides:
    """The two sides of an exchange, as the NPC sees it: what it gives and what it takes."""

    given: Mention | None
    taken: Mention | None


def trade_sides(
    text: str,
    items: Sequence[Mention],
    *,
    can_give: Collection[str],
    can_take: Collection[str],
    money_id: str,
) -> Sides:
    """Puts the first two things named on the two sides of an exchange.

    Each way round is scored by the words before each name ("my", "buy", "pay you", "for …"), by who
    could give it, and by money, which buys. "X for Y" offers X.

    Args:
        text: What was said.
        items: The items that it names, in order.
        can_give: Ids that the NPC could give.
        can_take: Ids that the player could give.
        money_id: The item that counts as money; empty if none does.
    """
    named: list[Mention] = []
    for mention in items:
        if all(mention.start >= other.end and mention.id != other.id for other in named):
            named.append(mention)
    if not named:
        return Sides(None, None)
    is_selling = _SELLING.search(text) is not None
    wants: list[float] = []
    at = 0
    for mention in named[:2]:
        want = _want(text[at : mention.start], is_first=not wants, is_selling=is_selling)
        want += _LEGAL_WEIGHT * ((mention.id in can_give) - (mention.id in can_take))
        if mention.id == money_id:
            want += _SURE if is_selling else -_SURE
        wants.append(want)
        at = mention.end
    if len(wants) == 1:
        given, taken = (named[0], None) if wants[0] > 0 else (None, named[0])
    else:
        given, taken = named[:2] if wants[0] > wants[1] else (named[1], named[0])
    return Sides(
        given if given and given.id in can_give else None,
        taken if taken and taken.id in can_take else None,
    )


def _want(before: str, *, is_first: bool, is_selling: bool) -> float:
    """How strongly the words before a thing want it (above 0) or offer it (below 0)."""
    want = 0.25 + len(_WANT.findall(before)) - 1.25 * len(_OFFER.findall(before))
    if is_first:
        return want - _SURE if is_selling else want
    return want + 0.5 if _FOR.search(before) else want
