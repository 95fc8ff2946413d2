"""The parser and evaluator behind `npc.guards`: text to a typed closure over a `Scope`.

Recursive descent over tokens; the grammar is in `npc.guards`.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rapidfuzz import fuzz, process

from npc_brain.errors import DefinitionError
from npc_brain.memory.blackboard import MAX_NUMBER, Kind, kind_of
from npc_brain.world.model import Scalar

MAX_EXPRESSION_CHARS = 400
MAX_DEPTH = 32

RESERVED_NAMES = frozenset(
    {"and", "or", "not", "true", "false", "event", "speaker", "name", "holds", "speaker_holds"}
)
"""Names that no blackboard key may take, here or in lines."""


class ExpressionError(DefinitionError):
    """A guard or expression that cannot be understood.

    Attributes:
        column: Where in the text, from 0.
    """

    def __init__(self, message: str, column: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.column = column


class EvaluationError(ValueError):
    """An expression that has no value for this event or blackboard; the caller leaves it out."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression can see.

    Attributes:
        blackboard: The NPC's keys.
        event: Data of the event at hand.
        held: Item counts that the NPC holds, by item id.
        speaker_held: Item counts of the entity spoken with.
        speaker: Id of the entity spoken with; empty when there is none.
    """

    blackboard: Mapping[str, Scalar]
    event: Mapping[str, Scalar] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    speaker_held: Mapping[str, int] = field(default_factory=dict)
    speaker: str = ""


_Value = Scalar | None
Run = Callable[[Scope], _Value]


@dataclass(frozen=True, slots=True)
class Uses:
    """What an expression refers to: names as written, for checks against other files."""

    keys: frozenset[str]
    items: frozenset[str]
    has_event: bool


@dataclass(frozen=True, slots=True)
class Parsed:
    """An expression that was understood.

    Attributes:
        run: Its value in a scope: None where the event lacks a field; raises `EvaluationError`.
        canonical: The text without differences in spacing: equal for the same expression.
    """

    kind: Kind
    run: Run
    canonical: str
    uses: Uses


def parse(text: str, kinds: Mapping[str, Kind], *, has_event: bool) -> Parsed:
    """Parse `text` over blackboard keys of the types `kinds`.

    Raises:
        ExpressionError: It cannot be understood, or its types do not fit together.
    """
    return _Parser(text, kinds, has_event).parse()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the known word nearest to `word`; empty when none is near."""
    found = process.extractOne(word, sorted(known), scorer=fuzz.ratio, score_cutoff=65)
    return f"did you mean `{found[0]}`?" if found else ""


@dataclass(frozen=True, slots=True)
class _Term:
    kind: Kind
    run: Run


@dataclass(frozen=True, slots=True)
class _Token:
    type: str
    text: str
    column: int


_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<op>==|!=|<=|>=|&&|\|\||[-+*<>()=,.!/%]))"
)
_FOREIGN = {"=": "==", "&&": "and", "||": "or", "!": "not"}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_NUMERIC: frozenset[str] = frozenset({"int", "float", "any"})


def _tokens(text: str) -> list[_Token]:
    if len(text) > MAX_EXPRESSION_CHARS:
        raise ExpressionError(
            f"an expression of {len(text)} characters, at most {MAX_EXPRESSION_CHARS} are allowed",
            hint="keep parts of it in blackboard keys",
        )
    tokens: list[_Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            column = position + len(text[position:]) - len(text[position:].lstrip())
            raise ExpressionError(f"unexpected `{text[column]}` in `{text.strip()}`", column)
        group = match.lastgroup
        tokens.append(_Token(group, match[group], match.start(group)))
        position = match.end()
    tokens.append(_Token("end", "", end))
    return tokens


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str, kinds: Mapping[str, Kind], has_event: bool) -> None:
        self._text = text.strip()
        self._kinds = kinds
        self._has_event = has_event
        self._tokens = _tokens(text)
        self._index = 0
        self._depth = 0
        self._keys: set[str] = set()
        self._items: set[str] = set()
        self._uses_event = False

    def parse(self) -> Parsed:
        if self._peek.type == "end":
            raise ExpressionError("an empty expression", hint="write a condition or a value")
        term = self._or()
        if self._peek.type != "end":
            raise self._unexpected()
        uses = Uses(frozenset(self._keys), frozenset(self._items), self._uses_event)
        canonical = " ".join(token.text for token in self._tokens[:-1])
        return Parsed(term.kind, term.run, canonical, uses)

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._index]

    def _next(self) -> _Token:
        token = self._tokens[self._index]
        self._index += 1
        return token

    def _accept(self, *texts: str) -> _Token | None:
        token = self._peek
        return self._next() if token.type in ("op", "name") and token.text in texts else None

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._unexpected(f"`{text}`")

    def _unexpected(self, wanted: str = "") -> ExpressionError:
        token = self._peek
        got = f"`{token.text}`" if token.text else "the end"
        hint = f"write `{_FOREIGN[token.text]}`" if token.text in _FOREIGN else ""
        if token.text in ("/", "%"):
            hint = "only + - * can be used"
        tail = f", wanted {wanted}" if wanted else ""
        return ExpressionError(f"unexpected {got} in `{self._text}`{tail}", token.column, hint)

    def _or(self) -> _Term:
        term = self._and()
        while token := self._accept("or"):
            left, right = self._boolean(term, token), self._boolean(self._and(), token)
            term = _Term("bool", _either(left, right))
        return term

    def _and(self) -> _Term:
        term = self._not()
        while token := self._accept("and"):
            left, right = self._boolean(term, token), self._boolean(self._not(), token)
            term = _Term("bool", _both(left, right))
        return term

    def _not(self) -> _Term:
        if token := self._accept("not"):
            self._enter(token)
            inner = self._boolean(self._not(), token)
            self._depth -= 1
            return _Term("bool", lambda scope: not inner(scope))
        return self._comparison()

    def _comparison(self) -> _Term:
        left = self._sum()
        token = self._accept(*_COMPARE)
        if token is None:
            return left
        right = self._sum()
        if self._peek.text in _COMPARE:
            raise ExpressionError(
                f"comparisons cannot be chained in `{self._text}`",
                self._peek.column,
                "join two with `and`",
            )
        return _Term("bool", self._compare(left, token, right))

    def _compare(self, left: _Term, token: _Token, right: _Term) -> Run:
        families = {_family(left.kind), _family(right.kind)} - {"any"}
        if len(families) > 1:
            raise ExpressionError(
                f"cannot compare {left.kind} with {right.kind} in `{self._text}`",
                token.column,
                "both sides must be numbers, both text, or both true/false",
            )
        is_order = token.text not in ("==", "!=")
        if is_order and families & {"bool", "str"}:
            raise ExpressionError(
                f"`{token.text}` compares numbers, got {families.pop()} in `{self._text}`",
                token.column,
                "use == or != here",
            )
        compare = _COMPARE[token.text]
        run_left, run_right = left.run, right.run
        if "any" not in (left.kind, right.kind):
            return lambda scope: compare(run_left(scope), run_right(scope))
        return _careful(compare, run_left, run_right, is_order, token.text == "!=")

    def _sum(self) -> _Term:
        term = self._product()
        while token := self._accept("+", "-"):
            function = operator.add if token.text == "+" else operator.sub
            term = self._arithmetic(term, token, self._product(), function)
        return term

    def _product(self) -> _Term:
        term = self._unary()
        while token := self._accept("*"):
            term = self._arithmetic(term, token, self._unary(), operator.mul)
        return term

    def _unary(self) -> _Term:
        if token := self._accept("-"):
            self._enter(token)
            inner = self._unary()
            self._depth -= 1
            zero = _Term("int", lambda scope: 0)
            return self._arithmetic(zero, token, inner, operator.sub)
        return self._primary()

    def _arithmetic(
        self, left: _Term, token: _Token, right: _Term, function: Callable[[float, float], float]
    ) -> _Term:
        for term in (left, right):
            if term.kind not in _NUMERIC:
                raise ExpressionError(
                    f"`{token.text}` needs numbers, got {term.kind} in `{self._text}`",
                    token.column,
                )
        kinds = {left.kind, right.kind}
        kind: Kind = "any" if "any" in kinds else "float" if "float" in kinds else "int"
        run_left, run_right = left.run, right.run
        return _Term(
            kind,
            lambda scope: _number(function(_number(run_left(scope)), _number(run_right(scope)))),
        )

    def _primary(self) -> _Term:
        token = self._peek
        if self._accept("("):
            self._enter(token)
            term = self._or()
            self._expect(")")
            self._depth -= 1
            return term
        if token.type == "number":
            self._next()
            number = float(token.text) if "." in token.text else int(token.text)
            if number > MAX_NUMBER:
                raise ExpressionError(f"the number {token.text} is too large", token.column)
            return _Term(kind_of(number), lambda scope: number)
        if token.type == "text":
            self._next()
            literal = token.text[1:-1]
            return _Term("str", lambda scope: literal)
        if token.type == "name" and token.text not in ("and", "or", "not", "name"):
            self._next()
            return self._named(token)
        raise self._unexpected("a value")

    def _named(self, token: _Token) -> _Term:
        name = token.text
        if name in ("true", "false"):
            constant = name == "true"
            return _Term("bool", lambda scope: constant)
        if name == "speaker":
            return _Term("str", lambda scope: scope.speaker)
        if name in ("holds", "speaker_holds"):
            return self._holding(is_own=name == "holds")
        if name == "event":
            return self._event_field(token)
        if name not in self._kinds:
            raise ExpressionError(
                f"unknown blackboard key `{name}` in `{self._text}`", token.column, self._hint(name)
            )
        self._keys.add(name)
        return _Term(self._kinds[name], lambda scope: scope.blackboard[name])

    def _hint(self, name: str) -> str:
        if name.lower() in ("true", "false", "and", "or", "not"):
            return f"write `{name.lower()}`"
        known = {*self._kinds, "speaker", "event", "holds", "speaker_holds"}
        return did_you_mean(name, known) or "declare it under `blackboard`, or put text in quotes"

    def _event_field(self, token: _Token) -> _Term:
        if not self._has_event:
            raise ExpressionError(
                f"there is no event to read in `{self._text}`",
                token.column,
                "keep what the event said in a blackboard key with `set`",
            )
        self._expect(".")
        name = self._next()
        if name.type != "name":
            raise ExpressionError(f"`event.` needs a field in `{self._text}`", name.column)
        self._uses_event = True
        key = name.text
        return _Term("any", lambda scope: scope.event.get(key))

    def _holding(self, *, is_own: bool) -> _Term:
        self._expect("(")
        token = self._next()
        if token.type not in ("name", "text"):
            raise ExpressionError(
                f"an item id is needed in `{self._text}`",
                token.column,
                "for example holds(coin, 3)",
            )
        item = token.text.strip("'\"")
        self._items.add(item)
        count = self._sum() if self._accept(",") else _Term("int", lambda scope: 1)
        if count.kind not in _NUMERIC:
            raise ExpressionError(f"a count is needed, got {count.kind}", token.column)
        if not self._accept(")"):
            raise ExpressionError(
                f"unexpected `{self._peek.text}` in `{self._text}`, wanted `)`",
                self._peek.column,
                "put an item id with other characters than letters, digits and _ in quotes",
            )
        run_count = count.run
        if is_own:
            return _Term("bool", lambda scope: scope.held.get(item, 0) >= _number(run_count(scope)))
        return _Term(
            "bool", lambda scope: scope.speaker_held.get(item, 0) >= _number(run_count(scope))
        )

    def _boolean(self, term: _Term, token: _Token) -> Callable[[Scope], bool]:
        if term.kind not in ("bool", "any"):
            raise ExpressionError(
                f"`{token.text}` joins conditions, got {term.kind} in `{self._text}`",
                token.column,
                "compare it with something, for example `... >= 1`",
            )
        return _truth(term)

    def _enter(self, token: _Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"nested deeper than {MAX_DEPTH}", token.column)


def _family(kind: Kind) -> str:
    return "number" if kind in ("int", "float") else kind


def _truth(term: _Term) -> Callable[[Scope], bool]:
    run = term.run
    return lambda scope: run(scope) is True


def _both(left: Callable[[Scope], bool], right: Callable[[Scope], bool]) -> Run:
    return lambda scope: left(scope) and right(scope)


def _either(left: Callable[[Scope], bool], right: Callable[[Scope], bool]) -> Run:
    return lambda scope: left(scope) or right(scope)


def _careful(
    compare: Callable[[Any, Any], bool], left: Run, right: Run, is_order: bool, unlike: bool
) -> Run:
    """A comparison in which a side may be missing or of any type."""

    def run(scope: Scope) -> bool:
        a, b = left(scope), right(scope)
        if a is None or b is None or _family(kind_of(a)) != _family(kind_of(b)):
            return unlike
        if is_order and (isinstance(a, bool | str) or isinstance(b, bool | str)):
            return False
        return compare(a, b)

    return run


def _number(value: _Value) -> float:
    """`value` as a bounded number; ints stay ints."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EvaluationError(f"got a value of type {type(value).__name__}, wanted a number")
    if not abs(value) <= MAX_NUMBER:
        raise EvaluationError(f"got a number beyond {MAX_NUMBER}")
    return value
