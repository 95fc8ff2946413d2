"""The `x-` keywords: what an argument refers to in the world.

They are written by annotations of a tool's argument model (`Ref`, `CountOf`) or, `x-ref` only, by
the game itself; `narrow` replaces them by the values that are legal now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, assert_never

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

Schema = Mapping[str, Any]
Default = Literal["", "speaker", "self"]

REF = "x-ref"
_DEFAULT = "x-default"
_OF = "x-of"
_COUNT_OF = "x-count-of"


class Domain(StrEnum):
    """What an argument refers to."""

    HELD_ITEM = "held_item"
    """An item that the NPC holds and has not promised to an action under way."""
    USABLE_ITEM = "usable_item"
    """A held item that can be used."""
    WEARABLE_ITEM = "wearable_item"
    """A held item that has a slot."""
    SPEAKER_ITEM = "speaker_item"
    """An item that the person spoken with holds; any item while the game has not told of them.
    With `Ref.of`: that whoever the other argument names holds."""
    ITEM = "item"
    """Any item of the catalogue."""
    PLACE = "place"
    """A place."""
    PERSON = "person"
    """An NPC or player other than the NPC itself."""
    HOLDER = "holder"
    """A person, or an object that has an inventory; not the NPC itself."""
    INVENTORY = "inventory"
    """Anyone or anything whose inventory is known, and the NPC itself."""
    TARGET = "target"
    """A place, or an entity other than the NPC itself."""
    TAG = "tag"
    """A tag that at least one place, or one entity other than the NPC, has."""

    @property
    def kinds(self) -> frozenset["Kind"]:
        """The kinds of thing that its ids can be."""
        match self:
            case (
                Domain.ITEM
                | Domain.HELD_ITEM
                | Domain.USABLE_ITEM
                | Domain.WEARABLE_ITEM
                | Domain.SPEAKER_ITEM
            ):
                return frozenset({"item"})
            case Domain.PLACE:
                return frozenset({"place"})
            case Domain.PERSON:
                return frozenset({"person"})
            case Domain.HOLDER | Domain.INVENTORY:
                return frozenset({"person", "object"})
            case Domain.TARGET:
                return frozenset({"place", "person", "object"})
            case Domain.TAG:
                return frozenset({"tag"})
            case _:
                assert_never(self)


Kind = Literal["item", "place", "person", "object", "tag"]


@dataclass(frozen=True, slots=True)
class Ref:
    """Annotation of a tool argument: its values are the ids of `domain`.

    Attributes:
        default: Who is meant when the argument is missing or empty; with nobody to mean (no one is
            spoken with), the argument is required.
        of: For SPEAKER_ITEM: the argument that names the holder.
    """

    domain: Domain
    default: Default = ""
    of: str = ""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        marks = {REF: self.domain.value, _DEFAULT: self.default, _OF: self.of}
        return {**handler(core_schema), **{key: mark for key, mark in marks.items() if mark}}


@dataclass(frozen=True, slots=True)
class CountOf:
    """Annotation of a count: at most as many as there are of the item that `argument` names."""

    argument: str

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(core_schema), _COUNT_OF: self.argument}


def ref_of(schema: Schema) -> Ref | None:
    """What an argument refers to; None: to nothing in the world.

    Raises:
        ValueError: The domain does not exist.
    """
    if REF not in schema:
        return None
    return Ref(Domain(schema[REF]), schema.get(_DEFAULT, ""), schema.get(_OF, ""))


def counted_by(schema: Schema) -> str:
    """The argument whose item an argument counts; empty: it counts none."""
    return str(schema.get(_COUNT_OF, ""))
