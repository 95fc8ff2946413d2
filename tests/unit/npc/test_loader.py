from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.errors import DefinitionError
from npc_brain.npc.checks import WorldIds
from npc_brain.npc.definition import NpcDefinition, Transition
from npc_brain.npc.loader import (
    check_document,
    load_definition,
    load_definitions,
    parse_definition,
    read_definition,
)
from npc_brain.npc.source import MAX_FILE_BYTES, Problem, parse_document
from npc_brain.tools.registry import BUILT_INS
from npc_brain.world.model import Entity, Item, Place, WorldSnapshot
from tests.npc_files import MIRA

WORLD = WorldIds.of(
    WorldSnapshot(
        revision=0,
        items=(Item(id="coin", name="coin"), Item(id="cellar_key", name="cellar key")),
        places=(Place(id="cellar", name="cellar", position=(0, 0), tags=("dark",)),),
        entities=(Entity(id="borin", name="Borin", kind="npc", position=(1, 1)),),
    )
)

GOOD = """\
id: ned
persona:
  name: Ned
  role: villager
  knowledge: [The mill grinds at night.]
  secrets: [The miller hides a stolen crown in the well]
lines:
  greeting: Hello.
  fallback:
    idle: Hm.
    gone: "{name} is away, {speaker}."
inventory: {coin: 3}
relationships: {borin: a friend}
blackboard: {trust: 0, is_met: false}
examples: {go_to: [Go down there.]}
initial: idle
states:
  idle:
    prompt: You idle.
    tools: [go_to, find_path]
    enter: [{go_to: cellar}]
    on:
      poked: {to: gone, if: event.force > 2}
      trust >= 3: gone
      go_to_done: gone
    after: {5m: gone}
    heard:
      - {like: [Hello there], wants: [coin], say: "Hi {speaker}."}
      - {pattern: '\\bkey\\b', if: holds(cellar_key), do: [{set: {trust: trust + 1}}]}
  gone: {on: {back: idle}}
"""


def problems(text: str, world: WorldIds | None = WORLD) -> list[Problem]:
    return check_document(parse_document(text, "ned.yaml"), None, BUILT_INS, world)[1]


def test_the_good_file_has_no_problems() -> None:
    assert problems(GOOD) == []


MISTAKES = [
    # what, replaced by, code, line, part of the message, part of the hint
    ("tools: [go_to,", "tools: [go_too,", "unknown_tool", 20, "`go_too`", "did you mean `go_to`"),
    ("{go_to: cellar}", "{go_tu: cellar}", "unknown_tool", 21, "`go_tu`", "did you mean `go_to`"),
    ("examples: {go_to", "examples: {goto", "unknown_tool", 15, "`goto`", "did you mean `go_to`"),
    ("go_to_done: gone", "goto_done: gone", "unknown_tool", 25, "`goto`", "did you mean `go_to`"),
    ("{on: {back: idle}}", "{}\n  lost: {on: {back: idle}}", "unreachable_state", 31, "`lost`",
     "lead a transition"),
    ("poked: {to: gone", "poked: idle\n      poked: {to: gone", "duplicate_transition", 24,
     "line 23", "one list"),
    ("trust >= 3: gone", "trust >= 3: gone\n      trust>=3: idle", "duplicate_transition", 25,
     "same guard", "one list"),
    ("{5m: gone}", "{5m: gone, 300s: idle}", "duplicate_transition", 26, "as long as `5m`", ""),
    ("go_to_done: gone", "go_to_done: [gone, idle]", "duplicate_transition", 25, "without a guard",
     "last"),
    ("name: Ned", "name: 7", "wrong_type", 3, "got 7", "quotes"),
    ("inventory: {coin: 3}", "inventory: {coin: many}", "wrong_type", 12, "'many'", ""),
    ("inventory: {coin: 3}", "inventory: {coin: true}", "wrong_type", 12, "True", ""),
    ("tools: [go_to, find_path]", "tools: go_to", "wrong_type", 20, "'go_to'", ""),
    ("trust >= 3: gone", "trsut >= 3: gone", "bad_guard", 24, "`trsut`", "did you mean `trust`"),
    ("trust >= 3: gone", "trust >= 'a': gone", "bad_guard", 24, "compare int with str", "both"),
    ("trust >= 3: gone", "trust: gone", "bad_guard", 24, "blackboard key", "trust == true"),
    ("trust >= 3: gone", "event.x > 1: gone", "bad_guard", 24, "no event", "`set`"),
    ("event.force > 2", "event.force >", "bad_guard", 23, "the end", ""),
    ("inventory: {coin", "inventory: {coim", "unknown_item", 12, "`coim`", "did you mean `coin`"),
    ("{go_to: cellar}", "{go_to: celler}", "unknown_place", 21, "`celler`", "`cellar`"),
    ("{borin: a", "{boris: a", "unknown_entity", 13, "`boris`", "did you mean `borin`"),
    ("wants: [coin]", "wants: [coyn]", "unknown_item", 28, "`coyn`", "did you mean `coin`"),
    ("holds(cellar_key)", "holds(cellarkey)", "unknown_item", 29, "`cellarkey`", "`cellar_key`"),
    ("    gone: \"{name} is away, {speaker}.\"\n", "", "no_fallback", 29, "`gone`", "default"),
    ("    idle: Hm.", "    idel: Hm.", "unknown_state", 10, "`idel`", "did you mean `idle`"),
    ("{5m: gone}", "{5m: gon}", "unknown_state", 26, "`gon`", "did you mean `gone`"),
    ("initial: idle", "initial: idol", "unknown_state", 16, "`idol`", "did you mean `idle`"),
    ("{on: {back: idle}}", "{on: {back: idle}, states: {x: {}}}", "bad_initial", 30,
     "no `initial`", "initial: x"),
    ("{on: {back: idle}}", "{initial: y, states: {x: {on: {back: idle}}}}", "bad_initial", 30,
     "`initial: y`", ""),
    ("{on: {back: idle}}", "{initial: idle, states: {idle: {}}}", "duplicate_state", 30, "`idle`",
     "unique"),
    ("{speaker}.\"\ninv", "{speeker}.\"\ninv", "unknown_placeholder", 11, "{speeker}",
     "did you mean `speaker`"),
    ("Hi {speaker}.", "Hi { speaker }.", "unknown_placeholder", 28, "brace", "{key}"),
    ("Hi {speaker}.", "Take {steps} steps.", "unknown_placeholder", 28, "{steps}", "known are"),
    ("\\bkey\\b", "(key", "bad_pattern", 29, "regular expression", "single quotes"),
    ("{5m: gone}", "{5: gone}", "bad_duration", 26, "`5`", "500ms"),
    ("{5m: gone}", "{0s: gone}", "bad_duration", 26, "`0s`", "500ms"),
    ("{like: [Hello there],", "{like: [Hello there], keywords: [hi],", "bad_heard", 28,
     "like and keywords", "several"),
    ("{like: [Hello there],", "{", "bad_heard", 28, "none of them", ""),
    ("say: \"Hi {speaker}.\"", "once: true", "bad_heard", 28, "does nothing", "say"),
    ("trust: trust + 1", "trust: is_met", "bad_effect", 29, "of type bool", ""),
    ("trust: trust + 1", "trsut: trust + 1", "unknown_key", 29, "`trsut`", "did you mean"),
    ("trust: trust + 1", "trust: trust + nothing", "bad_expression", 29, "`nothing`", ""),
    ("{go_to: cellar}", "{go_to: {targit: cellar}}", "bad_effect", 21, "`targit`", "`target`"),
    ("{go_to: cellar}", "{go_to: 7}", "bad_effect", 21, "wants string, got 7", ""),
    ("{go_to: cellar}", "{go_to: cellar, say: x}", "bad_effect", 21, "has one name", "list entry"),
    ("{go_to: cellar}", "{go_to: }", "bad_effect", 21, "needs `target`", ""),
    ("grinds at night", "is silent. The miller hides a stolen crown in the Well!", "told_secret", 5,
     "secret", "nowhere else"),
    ("You idle.", "you know the miller hid a stolen crown in the well", "told_secret", 19,
     "secret", ""),
    ("promp", "pormp", "unknown_field", 19, "`pormpt`", "did you mean `prompt`"),
    ("  role: villager\n", "", "missing_field", 2, "`role`", "role:"),
    ("trust: 0, is", "speaker: 0, trust: 0, is", "bad_key", 14, "`speaker`", "another name"),
    ("  gone: {on", "  Gone: {on", "bad_name", 30, "`Gone`", "small letters"),
    ("blackboard: {trust: 0,", "blackboard: {trust: 0, trust: 1,", "duplicate_key", 14, "`trust`",
     ""),
    ("go_to_done: gone", "poked2: {if: is_met}", "missing_target", 25, "`to`, `do`", ""),
    ("{5m: gone}", "{5m: {do: [{raise: x}]}}", "missing_target", 26, "needs `to`", "to: idle"),
    ("[go_to, find_path]", "*tools", "bad_yaml", 20, "aliases", ""),
    ("[go_to, find_path]", "!!set {a}", "bad_yaml", 20, "tags", ""),
    ("[go_to, find_path]", "[go_to", "bad_yaml", 21, "YAML", "quotes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "message", "hint"),
    MISTAKES,
    ids=[m[2] + "-" + m[1][:20] for m in MISTAKES],
)
def test_a_mistake_is_found_with_its_line_and_a_hint(
    old: str, new: str, code: str, line: int, message: str, hint: str
) -> None:
    assert GOOD.count(old) >= 1
    found = problems(GOOD.replace(old, new, 1))
    assert [(p.code, p.line) for p in found if p.code == code][:1] == [(code, line)], found
    (problem, *_) = (p for p in found if p.code == code)
    assert message in problem.message
    assert hint in problem.hint
    assert str(problem).startswith(f"ned.yaml:{line}:")


def test_all_mistakes_of_a_file_come_at_once() -> None:
    text = GOOD
    for old, new in (
        ("name: Ned", "name: 7"), ("prompt: You", "pormpt: You"), ("{coin: 3}", "{coin: many}"),
        ("tools: [go_to,", "tools: [go_too,"), ("{go_to: cellar}", "{go_to: celler}"),
        ("'\\bkey", "'(key"), ("{borin: a", "{boris: a"),
    ):  # fmt: skip
        text = text.replace(old, new, 1)
    assert {problem.code for problem in problems(text)} == {
        "wrong_type", "unknown_field", "unknown_tool", "unknown_place", "bad_pattern",
        "unknown_entity",
    }  # fmt: skip


def test_words_of_yaml_1_1_stay_text() -> None:
    text = GOOD.replace("role: villager", "role: yes").replace("back: idle", "off: idle")
    definition = parse_definition(text, "ned.yaml")
    assert definition.persona.role == "yes"
    assert definition.states["gone"].on == {"off": (Transition(to="idle"),)}


def test_shorthands_become_one_form() -> None:
    definition = load_definition(MIRA, BUILT_INS)
    assert definition.id == "mira"
    assert definition.lines.fallback["confiding"] == ("Not so loud.",)
    assert definition.states["fleeing"].on["reached_goal"] == (Transition(to="hiding"),)
    assert definition.states["working"].on["gift_received"][0].to is None


def test_a_map_from_the_wire_is_checked_like_a_file() -> None:
    value = load_definition(MIRA).model_dump(mode="json", by_alias=True, exclude_defaults=True)
    assert parse_definition(value, "npc.spawn", BUILT_INS) == load_definition(MIRA)
    value["states"]["working"]["tools"] = ["fly"]
    with pytest.raises(DefinitionError) as caught:
        parse_definition(value, "npc.spawn", BUILT_INS)
    assert caught.value.message.startswith("npc.spawn: states.working.tools.0: unknown tool `fly`")


@pytest.mark.parametrize("value", [{}, {1: 2}, "", "[]", "a", {"id": "x", "states": 3}])
def test_what_is_no_definition_is_refused(value: dict[str, object] | str) -> None:
    with pytest.raises(DefinitionError, match="inline"):
        parse_definition(value, "inline")


def test_depth_is_bounded() -> None:
    deep: object = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(DefinitionError, match="deeper"):
        parse_definition({"id": deep}, "inline")
    with pytest.raises(DefinitionError, match="deeper"):
        parse_definition("id: " + "[" * 5000, "inline")


def test_a_directory_gives_definitions_by_id(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "two.yml").write_text(GOOD.replace("id: ned\n", ""), encoding="utf-8")
    assert set(load_definitions(tmp_path, BUILT_INS, WORLD)) == {"ned", "two"}
    (tmp_path / "two.yml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(DefinitionError, match=r"two\.yml:1:1: another file has the id `ned`"):
        load_definitions(tmp_path)
    with pytest.raises(DefinitionError, match="no directory"):
        load_definitions(tmp_path / "none")


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"\xff\xfe", "bad_encoding"), (b"a" * (MAX_FILE_BYTES + 1), "too_large"),
     (b"a: \x00", "bad_yaml"), (b"", "wrong_type")],
)  # fmt: skip
def test_what_is_no_text_is_a_problem(tmp_path: Path, data: bytes, code: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(data)
    definition, found = read_definition(path)
    assert definition is None
    assert [problem.code for problem in found] == [code]


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="cannot be read"):
        load_definition(tmp_path / "none.yaml")


@given(st.integers(0, len(GOOD) - 1), st.text("{}[]:,'\"-*&!|>#%@?\n\t abc01é\x00", max_size=4))
def test_any_damage_is_a_problem_or_harmless(at: int, junk: str) -> None:
    for problem in problems(GOOD[:at] + junk + GOOD[at + len(junk) :]):
        assert problem.line is not None
        assert problem.message


def test_the_schema_for_editors_takes_shorthands_and_no_id() -> None:
    schema = NpcDefinition.model_json_schema()
    assert "id" not in schema["required"]
    on = schema["$defs"]["State"]["properties"]["on"]["additionalProperties"]
    assert {part.get("type", "ref") for part in on["anyOf"]} == {"string", "array", "ref"}
