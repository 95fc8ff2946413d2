"""Which of the things named in an offer the player gives, and which the player wants."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from npc_brain.understanding.linking import Mention

_SELLING = re.compile(
    r"\b(?:sell you|sell(?! me)|selling|you (?:\w+ ){0,3}buy|buying (?:my|some|this)|"
    r"interested in buying|buy [^.?!]* (?:off|from) me|take [^.?!]* off my hands)\b"
)
"""The player sells: then what is named first is offered, and money is wanted."""

_OFFER = re.compile(
    r"\b(?:my|mine|pay|offer|give you|sell|here (?:is|are)|i have|i've got|(?<!in )exchange|"
    r"you (?:\w+ ){0,2}(?:take|want|accept)|for these|these|this)\b"
)
_WANT = re.compile(
    r"\b(?:your|yours|buy|purchase|sell me|give me|get|want|need|have|like|take|that)\b"
)
_FOR = re.compile(r"\b(?:for|against|and get|in return)\b")


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
    lower = text.casefold()
    named: list[Mention] = []
    for mention in items:
        if all(mention.start >= other.end and mention.id != other.id for other in named):
            named.append(mention)
    is_selling = _SELLING.search(lower) is not None
    wants = [
        _want(lower, named, n, can_give, can_take, money_id, is_selling)
        for n in range(len(named[:2]))
    ]
    if not wants:
        return Sides(None, None)
    if len(wants) == 1:
        return _legal(named[0], None, can_give, can_take) if wants[0] > 0 else (
            _legal(None, named[0], can_give, can_take)
        )  # fmt: skip
    first, second = named[:2]
    if wants[0] > wants[1]:
        return _legal(first, second, can_give, can_take)
    return _legal(second, first, can_give, can_take)


def _want(
    text: str,
    named: Sequence[Mention],
    index: int,
    can_give: Collection[str],
    can_take: Collection[str],
    money_id: str,
    is_selling: bool,
) -> float:
    """How strongly the player seems to want (above 0) or offer (below 0) one of the things."""
    mention = named[index]
    before = text[named[index - 1].end if index else 0 : mention.start]
    want = 0.25 + len(_WANT.findall(before)) - 1.25 * len(_OFFER.findall(before))
    want += 1.5 * ((mention.id in can_give) - (mention.id in can_take))
    if index == 0 and is_selling:
        want -= 3
    if index and _FOR.search(before):
        want += 0.5
    if mention.id == money_id:
        want += 3 if is_selling else -3
    return want


def _legal(
    given: Mention | None,
    taken: Mention | None,
    can_give: Collection[str],
    can_take: Collection[str],
) -> Sides:
    return Sides(
        given if given and given.id in can_give else None,
        taken if taken and taken.id in can_take else None,
    )
