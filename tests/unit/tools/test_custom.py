from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.errors import ErrorCode, ToolError
from npc_brain.tools.custom import custom_tool, engine_answer
from npc_brain.tools.narrow import legal_schema, validate_arguments
from npc_brain.tools.registry import BUILT_INS, ToolRegistry
from npc_brain.tools.spec import GameArguments, Tool, ToolKind
from tests.unit.tools.test_narrow import json_values
from tests.unit.tools.village import context


def tool(parameters: dict[str, Any], name: str = "ring_bell") -> Tool:
    return custom_tool(name, "Ring the bell.", parameters, "action", 2000)


def with_argument(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"arg": schema}}


def test_a_tool_of_the_game() -> None:
    bell = tool(
        {
            "properties": {
                "who": {"x-ref": "person", "title": "Who", "description": "Whom to call."},
                "times": {"type": "integer", "minimum": 1, "maximum": 3},
            },
            "required": ["times"],
        }
    )
    assert (bell.kind, bell.done_event, bell.timeout_ms) == (
        ToolKind.ACTION,
        "ring_bell_done",
        2000,
    )
    assert legal_schema(bell, context()) == {
        "type": "object",
        "properties": {
            "who": {"type": "string", "description": "Whom to call.", "enum": ["bo", "ann"]},
            "times": {"type": "integer", "minimum": 1, "maximum": 3},
        },
        "required": ["times"],
        "additionalProperties": False,
    }
    checked = validate_arguments(bell, context(), {"who": "bo", "times": 2})
    assert isinstance(checked, GameArguments)
    assert checked.model_dump() == {"who": "bo", "times": 2}


def test_no_arguments() -> None:
    assert legal_schema(tool({}), context()) == {
        "type": "object", "properties": {}, "required": [], "additionalProperties": False,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["", "Ring", "ring bell", "ring1", "x" * 49, "ring-bell", "<a>"])
def test_bad_names(name: str) -> None:
    with pytest.raises(ToolError, match="the name must match") as caught:
        tool({}, name)
    assert caught.value.code == ErrorCode.BAD_TOOL


@pytest.mark.parametrize(
    ("parameters", "keyword"),
    [
        ({"type": "array", "items": {"type": "string"}}, "type 'array'"),
        (with_argument({"type": "string", "pattern": "a+"}), "'pattern' with type string"),
        (with_argument({"type": "string", "format": "date"}), "'format'"),
        (with_argument({"anyOf": [{"type": "string"}]}), "type None"),
        (with_argument({"type": ["string", "null"]}), "type"),
        (with_argument({"$ref": "#/x"}), "type None"),
        (with_argument({"type": "array"}), "an array without items"),
        (with_argument({"type": "array", "items": 3}), "int"),
        (with_argument({"type": "array", "items": {"type": "string"}, "maxItems": 99}), "maxItems"),
        (with_argument({"type": "string", "maxLength": 10**6}), "maxLength"),
        (with_argument({"type": "string", "minLength": 5, "maxLength": 4}), "minLength 5"),
        (with_argument({"type": "string", "enum": []}), "this enum"),
        (with_argument({"type": "string", "enum": ["a", 3]}), "this enum"),
        (with_argument({"x-ref": "dragon"}), "x-ref 'dragon'"),
        (with_argument({"x-ref": ["item"]}), "x-ref"),
        (with_argument({"x-ref": "item", "enum": ["a"]}), "enum beside x-ref"),
        (with_argument({"type": "integer", "minimum": 0.5}), "minimum 0.5"),
        (with_argument({"type": "integer", "minimum": 3, "maximum": 2}), "the range 3 to 2"),
        (with_argument({"type": "number", "maximum": "9"}), "maximum '9'"),
        (with_argument({"type": "number", "multipleOf": 2}), "'multipleOf'"),
        (with_argument({"type": "string", "description": 3}), "description"),
        ({"properties": {"a b": {"type": "string"}}}, "the name 'a b'"),
        ({"properties": {}, "required": ["x"]}, "required"),
        ({"properties": [], "required": []}, "these properties"),
        ({"properties": {}, "additionalProperties": True}, "additionalProperties"),
        ({"properties": {}, "oneOf": []}, "'oneOf'"),
    ],
)
def test_what_cannot_be_constrained_is_named(parameters: dict[str, Any], keyword: str) -> None:
    with pytest.raises(ToolError) as caught:
        tool(parameters)
    assert caught.value.code == ErrorCode.BAD_TOOL
    assert "'ring_bell'" in caught.value.message
    assert keyword in caught.value.message
    assert caught.value.hint


def test_depth_is_bounded() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        schema = {"type": "array", "items": schema}
    with pytest.raises(ToolError, match="a deeper schema"):
        tool(with_argument(schema))


keywords = st.sampled_from(
    ("type", "properties", "required", "items", "enum", "minimum", "maxLength", "x-ref", "$ref")
)
schemas = st.recursive(
    json_values | st.sampled_from(("string", "integer", "array", "object")),
    lambda inner: st.dictionaries(keywords, inner, max_size=4),
    max_leaves=8,
)


@given(schemas)
def test_any_schema_is_taken_or_refused_as_bad_tool(schema: Any) -> None:
    try:
        made = tool(with_argument(schema))
    except ToolError:
        return
    legal_schema(made, context())
    validate_arguments(made, context(), {"arg": "x"})


def test_the_registry_knows_built_ins_and_registered_tools() -> None:
    registry = ToolRegistry()
    registry.register(tool({}))
    registry.register(tool({}))
    assert registry.names() == [*BUILT_INS, "ring_bell"]
    assert "ring_bell" in registry
    assert "ring_bell" not in ToolRegistry()
    assert registry.get("ring_bell").description == "Ring the bell."
    for name in ("ring_bell", "go_to"):
        with pytest.raises(ToolError, match="the name is taken"):
            registry.register(custom_tool(name, "Other.", {}, "query", 5))
    with pytest.raises(ToolError, match="there is no tool 'fly'"):
        registry.get("fly")
    assert [made.name for made, _ in registry.legal(["stop", "ring_bell"], context())] == [
        "stop", "ring_bell",
    ]  # fmt: skip


def test_what_the_engine_answers() -> None:
    bell = tool({})
    assert engine_answer(bell, True, {"text": "It is noon."}).text == "It is noon."
    told = engine_answer(bell, True, {"hour_of_day": 12, "list": [1]})
    assert (told.text, told.data["list"]) == ("hour of day: 12", [1])
    assert engine_answer(bell, True, {}).text == "Done."
    failed = engine_answer(bell, False, {}, "rope_torn")
    assert (failed.reason, failed.text) == ("rope_torn", "ring bell failed: rope torn.")
    assert engine_answer(bell, False, {}).reason == "failed"


def test_built_ins_follow_their_own_rules() -> None:
    for made in BUILT_INS.values():
        assert custom_tool(made.name, made.description, {}, "query", 1)
        assert (made.run is None) == (made.kind is ToolKind.ACTION)
        assert made.description.endswith(".")
