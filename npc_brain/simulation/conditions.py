"""Conditions that a world file may state: small, declarative, never evaluated as code."""

from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from npc_brain.world.model import Count, Id, Scalar


class FileData(BaseModel):
    """Base of all parts of a world file: unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Holds(FileData):
    """`who` holds at least `count` of `item`."""

    who: Id
    item: Id
    count: Count = 1


class FactIs(FileData):
    """The fact `id` equals `value`."""

    id: Id
    value: Scalar = True


class IsAt(FileData):
    """The entity `who` stands at `place` or next to it."""

    who: Id
    place: Id


class InState(FileData):
    """The NPC's state machine is in one of `states` (or inside one of them)."""

    npc: Id
    states: tuple[str, ...] = Field(min_length=1)


class Condition(FileData):
    """Something about the world that is true or not: a map with exactly one of these keys.

    Attributes:
        holds: `who` holds at least `count` of `item`; one if there is no count.
        fact: The fact `id` has this value; `true` if there is none.
        at: `who` stands at `place` or next to it.
        state: The NPC's state machine is in one of these states, or inside one of them.
        all: Every one of these conditions is true.
        any: At least one of these conditions is true.
        negated: This condition is not true.
    """

    holds: Holds | None = None
    fact: FactIs | None = None
    at: IsAt | None = None
    state: InState | None = None
    all: tuple["Condition", ...] | None = None
    any: tuple["Condition", ...] | None = None
    negated: "Condition | None" = Field(default=None, alias="not")

    @model_validator(mode="after")
    def _has_one_key(self) -> "Condition":
        num_keys = len(self.model_fields_set)
        if num_keys != 1:
            raise ValueError(
                f"a condition has one of holds, fact, at, state, all, any, not; got {num_keys}"
            )
        return self


class Situation(Protocol):
    """What conditions look at."""

    def count(self, owner_id: str, item_id: str) -> int:
        """How many of an item someone holds."""
        ...

    def fact(self, fact_id: str) -> Scalar | None:
        """A fact's value, None when there is no such fact."""
        ...

    def is_at(self, entity_id: str, place_id: str) -> bool:
        """Whether an entity stands at a place."""
        ...

    def states_of(self, npc_id: str) -> frozenset[str]:
        """The state that an NPC is in and the states around it; empty while unknown."""
        ...


def is_true(condition: Condition, now: Situation) -> bool:
    """Whether `condition` holds in the situation `now`."""
    match condition:
        case Condition(holds=Holds() as holds):
            return now.count(holds.who, holds.item) >= holds.count
        case Condition(fact=FactIs() as fact):
            return now.fact(fact.id) == fact.value
        case Condition(at=IsAt() as at):
            return now.is_at(at.who, at.place)
        case Condition(state=InState() as state):
            return not now.states_of(state.npc).isdisjoint(state.states)
        case Condition(negated=Condition() as inner):
            return not is_true(inner, now)
    if condition.all is not None:
        return all(is_true(part, now) for part in condition.all)
    return any(is_true(part, now) for part in condition.any or ())


def leaves(condition: Condition) -> list[Holds | FactIs | IsAt | InState]:
    """The plain statements that a condition is made of, for checking the ids they name."""
    parts = [*(condition.all or ()), *(condition.any or ())]
    if condition.negated is not None:
        parts.append(condition.negated)
    own = [condition.holds, condition.fact, condition.at, condition.state]
    found = [leaf for leaf in own if leaf is not None]
    for part in parts:
        found += leaves(part)
    return found
