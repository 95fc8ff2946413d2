from typing import Any

import pytest

from npc_brain.errors import ErrorCode
from npc_brain.schema.check import first_fault
from npc_brain.schema.subset import SchemaError, bounded, normal_form


def with_argument(schema: Any) -> dict[str, Any]:
    return {"properties": {"arg": schema}}


def test_the_normal_form_says_everything() -> None:
    schema = {
        "properties": {
            "who": {"x-ref": "person", "title": "Who", "description": "Whom."},
            "notes": {"type": "array", "items": {"type": "string", "minLength": 300}},
            "how": {"type": "object", "properties": {"fast": {"type": "boolean"}}},
        },
        "required": ["who", "who"],
    }
    normal = normal_form(schema)
    assert normal == {
        "type": "object",
        "properties": {
            "who": {"type": "string", "x-ref": "person", "description": "Whom."},
            "notes": {
                "type": "array",
                "items": {"type": "string", "minLength": 300, "maxLength": 300},
                "maxItems": 16,
            },
            "how": {
                "type": "object",
                "properties": {"fast": {"type": "boolean"}},
                "required": [],
                "additionalProperties": False,
            },
        },
        "required": ["who"],
        "additionalProperties": False,
    }


def test_no_schema_is_no_arguments() -> None:
    assert normal_form({}) == {
        "type": "object", "properties": {}, "required": [], "additionalProperties": False,
    }  # fmt: skip


def test_bounds_are_spelled_out_for_grammars() -> None:
    numbers = {"type": "array", "items": {"type": "integer", "minimum": 2, "description": "n"}}
    (argument,) = bounded(with_argument(numbers))["properties"].values()
    assert argument["items"] == {"type": "integer", "minimum": 2, "maximum": 2**53}


def test_a_world_may_have_more_ids_than_a_tool_may_list() -> None:
    ids = with_argument({"enum": [f"id_{n}" for n in range(600)]})
    assert bounded(ids)
    with pytest.raises(SchemaError, match="this enum"):
        normal_form(ids)


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"enum": ["a"], "minLength": 2}, "enum beside minLength"),
        ({"x-ref": "item", "maxLength": 2}, "x-ref beside maxLength"),
        ({"type": "number", "minimum": 1e-9}, "minimum 1e-09"),
        ({"type": "number", "minimum": float("nan")}, "the range nan"),
        ({"type": "number", "maximum": float("inf")}, "to inf"),
        ({"type": "integer", "maxLength": 3}, "'maxLength' with type integer"),
        ({"type": "array", "items": {"oneOf": []}}, "type None .* at arg\\[\\]"),
        ({"not": {}, "type": "string"}, "'not' with type string .* at arg"),
        ({}, "type None"),
        (3, "int cannot be used"),
    ],
)
def test_what_a_reader_would_ignore_is_refused(schema: Any, problem: str) -> None:
    with pytest.raises(SchemaError, match=problem) as caught:
        normal_form(with_argument(schema))
    assert caught.value.code is ErrorCode.BAD_TOOL
    assert caught.value.hint


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({"type": "integer"}, True, "arg wants integer"),
        ({"type": "integer"}, 1.0, "arg wants integer"),
        ({"type": "integer"}, 2**53 + 1, "arg is out of range"),
        ({"type": "number", "maximum": 2.5}, 2.5, None),
        ({"type": "number"}, float("inf"), "arg is out of range"),
        ({"type": "number"}, float("nan"), "arg is out of range"),
        ({"type": "string"}, "a" * 121, "arg has the wrong length"),
        ({"type": "string"}, "\ud800", "arg wants string"),
        ({"enum": ["1"]}, 1, "arg wants string"),
        ({"type": "array", "items": {"type": "integer"}}, ("1",), "arg[0] wants integer"),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 1}, [1, 2], "arg has the"),
        ({"type": "object", "properties": {}}, {"a": 1}, "arg has an argument that"),
        ({"type": "boolean"}, None, "arg wants boolean"),
    ],
)
def test_values_are_checked(schema: dict[str, Any], value: Any, problem: str | None) -> None:
    fault = first_fault(with_argument(schema) | {"type": "object"}, {"arg": value})
    found = f"{fault.path} {fault.problem}" if fault else None
    assert found == problem or (found and problem and found.startswith(problem))
