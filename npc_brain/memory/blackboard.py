"""An NPC's typed facts: the keys and types that its file declares, and the values now.

One instance per NPC. The keys are fixed at birth, so that a misspelt key is an error and not a new
fact; a key keeps the type of its first value. Expressions are `npc.guards`, not here.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Literal

from npc_brain.errors import ErrorCode, NpcBrainError
from npc_brain.plain_text import plain_text
from npc_brain.world.model import Scalar

Kind = Literal["bool", "int", "float", "str", "any"]
"""The type of a value; `any` where it is not known before it comes."""

MAX_NUMBER = 2**53
"""Numbers beyond this (either sign) are refused: they are not exact in every engine."""
MAX_TEXT_CHARS = 400


class BlackboardError(NpcBrainError):
    """A key that is not declared, or a value that its key cannot keep."""

    default_code = ErrorCode.BAD_BODY


def kind_of(value: Scalar) -> Kind:
    """The type of a value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    return "float" if isinstance(value, float) else "str"


def fits(kind: Kind, into: Kind) -> bool:
    """Whether a value of `kind` may be kept in a key of type `into`."""
    return kind == into or "any" in (kind, into) or (kind == "int" and into == "float")


def as_kind(value: Scalar | None, kind: Kind) -> Scalar:
    """`value` as it is kept in a key of type `kind`.

    Whole numbers become floats where needed, texts `plain_text`.

    Raises:
        BlackboardError: It is missing, of another type, not finite, too large or too long.
    """
    if not isinstance(value, bool | int | float | str) or not fits(kind_of(value), kind):
        raise BlackboardError(f"got a value of type {type(value).__name__}, wanted {kind}")
    if isinstance(value, str):
        if len(value) > MAX_TEXT_CHARS:
            raise BlackboardError(f"got {len(value)} characters, at most {MAX_TEXT_CHARS} fit")
        return plain_text(value)
    if isinstance(value, bool):
        return value
    if not (math.isfinite(value) and abs(value) <= MAX_NUMBER):
        raise BlackboardError(f"got a number beyond ±{MAX_NUMBER}")
    return float(value) if kind == "float" else value


class Blackboard(Mapping[str, Scalar]):
    """The facts of one NPC.

    Attributes:
        kinds: The type of each key.
        revision: Rises with every change; equal revisions mean equal values.
    """

    def __init__(self, first: Mapping[str, Scalar]) -> None:
        """Declare the keys of `first`, with its values."""
        self.kinds: Mapping[str, Kind] = {key: kind_of(value) for key, value in first.items()}
        self.revision = 0
        self._values = {key: as_kind(value, self.kinds[key]) for key, value in first.items()}

    def __getitem__(self, key: str) -> Scalar:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def set(self, key: str, value: Scalar) -> bool:
        """Keep `value` under `key`; returns whether it differs from before.

        Raises:
            BlackboardError: The key is not declared, or is of another type.
        """
        kind = self.kinds.get(key)
        if kind is None:
            known = ", ".join(sorted(self.kinds)) or "none"
            raise BlackboardError(f"unknown blackboard key {key!r}", hint=f"declared are: {known}")
        try:
            kept = as_kind(value, kind)
        except BlackboardError as error:
            raise BlackboardError(f"blackboard key {key!r}: {error.message}") from None
        if kept == self._values[key]:
            return False
        self._values[key] = kept
        self.revision += 1
        return True

    def update(self, values: Mapping[str, Scalar]) -> None:
        """Set several keys, all or none.

        Raises:
            BlackboardError: As `set`; nothing was changed.
        """
        before, revision = dict(self._values), self.revision
        try:
            for key, value in values.items():
                self.set(key, value)
        except BlackboardError:
            self._values, self.revision = before, revision
            raise

    def to_json(self) -> dict[str, Scalar]:
        """The values as JSON."""
        return dict(self._values)

    def restore(self, saved: Mapping[str, Scalar]) -> None:
        """Take up values from `to_json`.

        Keys that the file no longer declares, or declares with another type, are left at their
        first values: a patched game must load old saves.

        Raises:
            BlackboardError: `saved` is no map.
        """
        if not isinstance(saved, Mapping):
            raise BlackboardError("a saved blackboard is damaged: it is no map")
        for key, value in saved.items():
            if key in self.kinds:
                try:
                    self.set(key, value)
                except BlackboardError:
                    continue
