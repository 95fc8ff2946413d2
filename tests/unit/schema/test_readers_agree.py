"""One subset: whatever reads a schema takes and refuses the same values."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer

from npc_brain.errors import ToolError
from npc_brain.inference.chat import FunctionSchema
from npc_brain.inference.formats import chat_format
from npc_brain.inference.formats.json_calls import json_schema
from npc_brain.inference.grammar import GrammarCompiler, LineRule
from npc_brain.npc.effects import EffectError, parse_effect
from npc_brain.schema.check import first_fault
from npc_brain.schema.coerce import as_meant
from npc_brain.schema.subset import SchemaError, bounded, normal_form
from npc_brain.servers.arguments import ArgumentError, fit_call
from npc_brain.tools.custom import custom_tool
from npc_brain.tools.narrow import legal_schema, validate_arguments
from npc_brain.tools.registry import BUILT_INS
from npc_brain.tools.spec import Tool, ToolResult
from tests.counts import count
from tests.inference_doubles import gemma4_tokenizer
from tests.unit.tools.village import context

BYTES = LLTokenizer("byte")
NOTATION = gemma4_tokenizer()
FORM = chat_format("gemma4", NOTATION)
COMPILER = GrammarCompiler(NOTATION, sorted(FORM.stop_ids), NOTATION.vocab_size, FORM.closing_ids)
WORDS = st.text("ab _Ä-1", max_size=4)


def between(low: str, high: str, bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Both, one or none of two bounds."""
    return st.fixed_dictionaries({}, optional={low: bounds, high: bounds})


WHOLE = st.integers(-(2**53), 2**53) | st.integers(-9, 9)
REAL = WHOLE | st.floats(-(2**53), 2**53) | st.floats(-9, 9)
scalars = st.one_of(
    between("minLength", "maxLength", st.integers(0, 1000) | st.integers(0, 9)).map(
        lambda bounds: {"type": "string", **bounds}
    ),
    between("minimum", "maximum", WHOLE).map(lambda bounds: {"type": "integer", **bounds}),
    between("minimum", "maximum", REAL).map(lambda bounds: {"type": "number", **bounds}),
    st.lists(WORDS, max_size=3).map(lambda words: {"enum": words}),
    st.builds(
        lambda words, bounds: {"type": "string", "enum": words, **bounds},
        st.lists(WORDS, min_size=1, max_size=3),
        between("minLength", "maxLength", st.integers(0, 9)),
    ),
    st.sampled_from([{"type": "boolean"}, {"x-ref": "person"}, {"x-ref": "place"}]),
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    arrays = st.builds(
        lambda items, bounds: {"type": "array", "items": items, **bounds},
        inner,
        between("minItems", "maxItems", st.integers(0, 16) | st.integers(0, 3)),
    )
    return arrays | st.dictionaries(st.sampled_from("abc"), inner, max_size=3).flatmap(
        lambda properties: st.lists(st.sampled_from([*properties, "d"]), max_size=3).map(
            lambda required: {"type": "object", "properties": properties, "required": required}
        )
    )


schemas = st.recursive(scalars, containers, max_leaves=4)
anything = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-3, 9), st.integers(), st.floats(), WORDS,
        st.sampled_from(["", "2", "true", "bo", "Bo", "smithy"]), st.text(max_size=3),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner),
    max_leaves=5,
)  # fmt: skip


def near(schema: Any) -> st.SearchStrategy[Any]:
    """Values that nearly fit: a wrong one at times, at any depth."""
    kind = schema.get("type", "string")
    bounds = [value for key, value in schema.items() if key in ("minimum", "maximum")]
    match kind:
        case "object":
            parts = {name: near(inner) for name, inner in schema.get("properties", {}).items()}
            right = st.fixed_dictionaries({}, optional=parts)
        case "array":
            right = st.lists(near(schema["items"]), max_size=4)
        case "integer" | "number":
            right = st.integers(-9, 9) | st.sampled_from([*bounds, 0, 2**53, 2**53 + 2, 0.5])
        case "boolean":
            right = st.booleans()
        case _:
            lengths = [schema.get("minLength", 0), schema.get("maxLength", 120)]
            texts = [length * "a" for length in (*lengths, lengths[1] + 1)]
            right = st.sampled_from([*schema.get("enum", ()), "bo", "smithy", *texts])
    return st.one_of(right, right, right, anything)


def taken(schema: Any) -> Tool | None:
    parameters = {"properties": {"arg": schema}, "required": ["arg"]}
    try:
        return custom_tool("act", "Act.", parameters, "query", 1)
    except ToolError:
        return None


def in_json(schema: dict[str, Any], args: Any) -> bool:
    """Whether the grammar of JSON calls can write it."""
    grammar = LLMatcher.grammar_from_json_schema(json_schema(FunctionSchema("act", "", schema)))
    matcher = LLMatcher(BYTES, grammar, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    text = json.dumps(args, ensure_ascii=False)
    return bool(matcher.consume_tokens(list(text.encode())) and matcher.is_accepting())


def is_writable(value: Any) -> bool:
    """Whether a grammar may be expected to spell it as `json.dumps` does."""
    if isinstance(value, dict):
        return all(map(is_writable, value.values()))
    if isinstance(value, list):
        return all(map(is_writable, value))
    if isinstance(value, str):
        return value.isprintable()
    return not isinstance(value, float) or not (value.is_integer() or "e" in repr(value))


@settings(max_examples=count(5_000, 600), deadline=None)
@given(st.data(), schemas)
def test_all_readers_agree(data: st.DataObject, schema: dict[str, Any]) -> None:
    tool = taken(schema)
    if tool is None:
        return
    args = {"arg": data.draw(near(schema))}
    ctx = context()
    legal = legal_schema(tool, ctx)
    assert legal is not None
    fits = first_fault(legal, args) is None
    assert (first_fault(bounded(legal), args) is None) is fits
    meant = as_meant(legal, args)
    assert not fits or meant == args
    try:
        called = fit_call("act", args, [FunctionSchema("act", "", legal)])
        assert first_fault(legal, called.arguments) is None
        assert called.arguments == meant
    except ArgumentError:
        assert not fits
    assert not is_plain(args) or is_valid(tool, args) is fits
    assert is_authored(tool, args) or not fits
    if is_writable(args):
        assert in_json(legal, meant if meant == args else args) is fits  # properties in order


def is_plain(value: Any) -> bool:
    """Whether texts are checked as they are: others are made plain first."""
    return " " not in json.dumps(value, separators=(",", ":")) and "\\" not in json.dumps(value)


def is_valid(tool: Tool, args: dict[str, Any]) -> bool:
    return not isinstance(validate_arguments(tool, context(), args), ToolResult)


def is_authored(tool: Tool, args: dict[str, Any]) -> bool:
    try:
        parse_effect({"act": args}, {}, {"act": tool})
    except EffectError:
        return False
    return True


@settings(max_examples=count(2_000, 100), deadline=None)
@given(schemas)
def test_grammars_can_be_made_of_every_schema(schema: dict[str, Any]) -> None:
    tool = taken(schema)
    if tool is None:
        return
    legal = legal_schema(tool, context())
    assert legal is not None
    grammar = FORM.grammar([FunctionSchema("act", "", legal)], LineRule(is_allowed=False))
    COMPILER.matcher(grammar)


@given(st.data(), schemas)
def test_what_an_author_may_write_is_what_a_call_may_be(
    data: st.DataObject, schema: dict[str, Any]
) -> None:
    """But for ids, which exist or not when the call comes, and nothing, which is a default."""
    tool = taken(schema)
    if tool is not None:
        args = {"arg": data.draw(near(schema))}
        assert args["arg"] == "" or is_authored(tool, args) is (
            first_fault(tool.schema, args) is None
        )


@given(schemas)
def test_the_normal_form_is_normal(schema: dict[str, Any]) -> None:
    try:
        normal = normal_form({"properties": {"arg": schema}})
    except SchemaError:
        return
    assert normal_form(normal) == normal


@pytest.mark.parametrize("tool", BUILT_INS.values(), ids=lambda tool: tool.name)
def test_built_in_tools_are_within_the_subset(tool: Tool) -> None:
    legal = legal_schema(tool, context())
    assert legal is not None
    assert normal_form(legal, max_enum=None) == legal
