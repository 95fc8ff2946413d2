"""The expression language of NPC files: guards (`if`, keys of `on`) and the values of `set`.

    or        trust >= 3 or is_drunk
    and       asked and not angry
    not       not holds(cellar_key)
    compare   == != < <= > >=
    add       trust + 1, hp - event.damage
    multiply  price * 2
    operands  numbers, 'text', true, false, blackboard keys, speaker, event.FIELD, holds(ITEM[, N]),
              speaker_holds(ITEM[, N]), parentheses

Text is parsed once into closures and never handed to Python's own evaluator; there are no loops,
no calls but the two above, and numbers are bounded, so that evaluation always ends. Types are
checked against the blackboard when the file is loaded. Fields of an event are only known when it
comes: a comparison with one that is missing or of another type is false (`!=` is true).

Why a parser of our own (`npc.expressions`) and not Python's `ast` with a white list: errors name
the column and the mistake in the author's terms, and `ast.parse` can exhaust the stack on deep
input.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from npc_brain.memory.blackboard import Kind, kind_of
from npc_brain.npc.expressions import EvaluationError, ExpressionError, Run, Scope, Uses, parse
from npc_brain.world.model import Scalar


@dataclass(frozen=True, slots=True)
class Guard:
    """A compiled condition; immutable, shared by all NPCs of a file.

    Attributes:
        canonical: The text without differences in spacing: equal for the same condition.
    """

    source: str
    canonical: str
    uses: Uses
    _run: Run

    def evaluate(self, scope: Scope) -> bool:
        """Whether the condition holds now; pure, never raises."""
        try:
            return self._run(scope) is True
        except EvaluationError:
            return False


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled value for `set`; immutable, shared by all NPCs of a file."""

    source: str
    kind: Kind
    uses: Uses
    _run: Run

    def evaluate(self, scope: Scope) -> Scalar:
        """The value now; pure.

        Raises:
            EvaluationError: A field of the event is missing or of the wrong type, or a number
                grew too large.
        """
        value = self._run(scope)
        if value is None:
            raise EvaluationError(f"`{self.source}` has no value: the event lacks the field")
        return value


def compile_guard(text: str, kinds: Mapping[str, Kind], *, has_event: bool = True) -> Guard:
    """Compile a condition.

    Args:
        text: The condition as the author wrote it.
        kinds: Types of the blackboard keys.
        has_event: Whether there is an event whose fields can be read.

    Raises:
        ExpressionError: It cannot be understood, names an unknown key, or compares values that
            cannot be equal.
    """
    parsed = parse(text, kinds, has_event=has_event)
    if parsed.kind not in ("bool", "any"):
        raise ExpressionError(
            f"a guard must be true or false, `{text.strip()}` is of type {parsed.kind}",
            hint="compare it with something, for example `... >= 1`",
        )
    return Guard(text, parsed.canonical, parsed.uses, parsed.run)


def compile_expression(
    value: Scalar, kinds: Mapping[str, Kind], *, has_event: bool = True
) -> Expression:
    """Compile a value for `set`: text is an expression, anything else is meant as it is.

    Raises:
        ExpressionError: As `compile_guard`.
    """
    if not isinstance(value, str):
        nothing = Uses(frozenset(), frozenset(), has_event=False)
        return Expression(str(value), kind_of(value), nothing, lambda scope: value)
    parsed = parse(value, kinds, has_event=has_event)
    return Expression(value, parsed.kind, parsed.uses, parsed.run)
