import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.memory.blackboard import Kind
from npc_brain.npc.expressions import EvaluationError, ExpressionError, Scope
from npc_brain.npc.guards import Guard, compile_expression, compile_guard

KINDS: dict[str, Kind] = {"trust": "int", "asked": "bool", "mood": "str", "hp": "float"}
SCOPE = Scope(
    {"trust": 3, "asked": True, "mood": "calm", "hp": 2.5},
    event={"damage": 2, "kind": "fire", "is_crit": True},
    held={"coin": 3},
    speaker_held={"key": 1},
    speaker="player",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trust >= 3 and asked", True),
        ("not asked or trust < 2", False),
        ("not (asked and trust < 2)", True),
        ("true or false and false", True),
        ("(true or false) and false", False),
        ("mood == 'calm'", True),
        ('mood != "calm"', False),
        ("trust + 1 * 2 == 5", True),
        ("(trust + 1) * 2 == 8", True),
        ("trust - 1 - 1 == 1", True),
        ("-trust < --trust", True),
        ("hp == 2.5 and hp < trust", True),
        ("holds(coin)", True),
        ("holds(coin, trust) and not holds(coin, 4)", True),
        ("holds('cellar-key')", False),
        ("speaker_holds(key) and speaker == 'player'", True),
        ("event.damage > 1 and event.is_crit", True),
        ("event.kind == 'fire'", True),
    ],
)
def test_a_guard_gives_the_truth(text: str, expected: bool) -> None:
    assert compile_guard(text, KINDS).evaluate(SCOPE) is expected


@pytest.mark.parametrize(
    "text",
    ["event.none > 1", "event.kind > 1", "event.damage == '2'", "event.damage and asked",
     "event.none == 1", "event.kind + 1 == 2", "event.is_crit == 1"],
)  # fmt: skip
def test_event_fields_that_are_missing_or_of_another_type_make_it_false(text: str) -> None:
    assert compile_guard(text, KINDS).evaluate(SCOPE) is False


def test_a_missing_field_differs_from_everything() -> None:
    assert compile_guard("event.none != 1", KINDS).evaluate(SCOPE) is True


@pytest.mark.parametrize(
    ("text", "column", "hint"),
    [
        ("trsut > 1", 0, "did you mean `trust`?"),
        ("trust = 3", 6, "write `==`"),
        ("asked && asked", 6, "write `and`"),
        ("asked == True", 9, "write `true`"),
        ("trust / 2 > 1", 6, "only + - * can be used"),
        ("1 < trust < 4", 10, "join two with `and`"),
        ("trust", 0, "compare it with something, for example `... >= 1`"),
        ("trust and asked", 6, "compare it with something, for example `... >= 1`"),
        ("mood == 3", 5, "both sides must be numbers, both text, or both true/false"),
        ("asked >= false", 6, "use == or != here"),
        ("mood == calm", 8, "declare it under `blackboard`, or put text in quotes"),
        ("holds(cellar-key)", 12, "put an item id with other characters than letters, digits and "
         "_ in quotes"),
        ("", 0, "write a condition or a value"),
    ],
)  # fmt: skip
def test_a_bad_guard_names_the_column_and_a_remedy(text: str, column: int, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_guard(text, KINDS)
    assert (caught.value.column, caught.value.hint) == (column, hint)


@pytest.mark.parametrize(
    "text",
    ["(", ")", "asked asked", "trust >=", "event.", "event", "holds()", "holds(coin", "asked(1)",
     "__import__('os')", "trust.real == 3", "[1] == [1]", "lambda: 1", "asked if asked else asked",
     "not " * 40 + "asked", "(" * 40 + "asked" + ")" * 40, "-" * 40 + "1 == 1",
     "1 " + "+ 1 " * 200 + "> 0", "99999999999999999999 > 1", "'a' + 'b' == 'ab'", "name == 'x'"],
)  # fmt: skip
def test_what_is_not_of_the_language_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_guard(text, KINDS)


def test_a_guard_without_event_cannot_read_one() -> None:
    with pytest.raises(ExpressionError, match="no event"):
        compile_guard("event.damage > 1", KINDS, has_event=False)


def test_spacing_makes_no_difference_to_the_canonical_text() -> None:
    one, other = (compile_guard(text, KINDS).canonical for text in ("trust>=3", " trust  >= 3 "))
    assert one == other


def test_uses_name_keys_and_items() -> None:
    uses = compile_guard("trust > 1 and holds(coin) and event.x == 1", KINDS).uses
    assert (uses.keys, uses.items, uses.has_event) == ({"trust"}, {"coin"}, True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("trust + event.damage", 5), ("event.kind", "fire"), (7, 7), (True, True)],
)
def test_an_expression_gives_a_value(value: str | int | bool, expected: object) -> None:
    assert compile_expression(value, KINDS).evaluate(SCOPE) == expected


@pytest.mark.parametrize("text", ["event.none", "event.kind + 1", "event.is_crit * 2"])
def test_an_expression_without_a_value_says_so(text: str) -> None:
    with pytest.raises(EvaluationError):
        compile_expression(text, KINDS).evaluate(SCOPE)


def test_numbers_are_bounded() -> None:
    square = compile_expression("trust * trust", KINDS)
    assert square.evaluate(Scope({"trust": 2**26})) == 2**52
    with pytest.raises(EvaluationError):
        square.evaluate(Scope({"trust": 2**27}))
    with pytest.raises(EvaluationError):
        compile_expression("event.x + 1", KINDS).evaluate(Scope({}, event={"x": math.nan}))


def compiled(text: str) -> Guard | ExpressionError:
    try:
        return compile_guard(text, KINDS)
    except ExpressionError as error:
        return error


@given(st.text(alphabet="()andortuse.t, =<>!+-*'holds019_ \"\\", max_size=60))
def test_any_text_compiles_and_evaluates_or_is_refused(text: str) -> None:
    match compiled(text):
        case ExpressionError() as error:
            assert 0 <= error.column <= len(text)
        case guard:
            assert guard.evaluate(SCOPE) in (True, False)


_ATOMS = st.one_of(
    st.integers(0, 50).map(str), st.just("trust"), st.floats(0, 9).map(lambda x: f"{x:.2f}")
)
_SUMS = st.recursive(
    _ATOMS,
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({' '.join(t)})"),
    max_leaves=6,
)
_CONDITIONS = st.recursive(
    st.tuples(_SUMS, st.sampled_from(["<", "<=", "==", "!=", ">", ">="]), _SUMS).map(" ".join),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({' '.join(t)})"),
        inner.map(lambda text: f"not ({text})"),
    ),
    max_leaves=6,
)


@given(_CONDITIONS)
def test_it_agrees_with_python_where_both_understand(text: str) -> None:
    """The oracle is Python's own evaluator on text that this test made itself."""
    expected = eval(text, {"__builtins__": {}}, {"trust": 3})
    match compiled(text):
        case ExpressionError() as error:
            assert "at most" in error.message or "nested" in error.message
        case guard:
            assert guard.evaluate(SCOPE) is expected
