"""Whether what happened in a step is what was expected. Decisions exactly, words by rule."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npc_brain.npc.npc import Npc
from npc_brain.patterns import compiled
from npc_brain.protocol.messages import NpcMessage, NpcState, TurnEnded, TurnLine
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.testing.game import spelt
from npc_brain.testing.report import Broken
from npc_brain.testing.scenario import Expect, ExpectedCall, LineRules


@dataclass(frozen=True, slots=True)
class Seen:
    """What a step brought, for one NPC.

    Attributes:
        told: What the stage told of it in the step.
        actions: What it asked the game for in the step: tool and arguments.
    """

    npc: Npc
    told: Sequence[NpcMessage]
    actions: Sequence[tuple[str, Mapping[str, Any]]]
    world: SimulatedWorld


def broken_rules(step: int, expect: Expect, seen: Seen) -> list[Broken]:
    """The rules that do not hold after a step, in the order of `Expect`."""
    found = (*_decisions(expect, seen), *_words(expect, seen), *_world(expect, seen))
    return [Broken(step, rule, message) for rule, message in found]


_Found = Iterator[tuple[str, str]]


def _decisions(expect: Expect, seen: Seen) -> _Found:
    path = seen.npc.node.path
    if expect.state is not None and expect.state not in path:
        yield "state", f"wanted {expect.state}, it is in {path[-1]}"
    entered = [event.to_state for event in seen.told if isinstance(event, NpcState)]
    if expect.states is not None and list(expect.states) != entered:
        yield "states", f"wanted {_listed(expect.states)}, it entered {_listed(entered)}"
    used = [
        (use.tool, use.args, use.ok, use.reason)
        for event in seen.told
        if isinstance(event, TurnEnded)
        for use in event.tools
    ]
    if expect.tools is not None:
        yield from _calls("tools", expect.tools, used)
    if expect.actions is not None:
        asked = [(tool, args, True, "") for tool, args in seen.actions]
        yield from _calls("actions", expect.actions, asked)
    ends = [event.outcome for event in seen.told if isinstance(event, TurnEnded)]
    if expect.outcome is not None and ends[-1:] != [expect.outcome]:
        yield "outcome", f"wanted {expect.outcome}, got {ends[-1] if ends else 'no turn'}"
    yield from _values("blackboard", expect.blackboard, dict(seen.npc.blackboard))


def _calls(
    rule: str,
    wanted: Sequence[ExpectedCall],
    made: Sequence[tuple[str, Mapping[str, Any], bool, str]],
) -> _Found:
    """Calls must be the same ones in the same order."""
    names, tools = [each.tool for each in wanted], [tool for tool, *_ in made]
    if names != tools:
        yield rule, f"wanted {_listed(names)}, got {_listed(tools)}"
        return
    for each, (tool, args, ok, reason) in zip(wanted, made, strict=True):
        wrong = {name: args.get(name) for name in each.args if args.get(name) != each.args[name]}
        if wrong:
            yield rule, f"wanted {tool}({spelt(each.args)}), got {tool}({spelt(args)})"
        if each.ok is not None and each.ok is not ok:
            state = "done" if ok else f"refused ({reason})"
            yield rule, f"{tool} was {state}, wanted {'done' if each.ok else 'refused'}"
        elif each.reason is not None and each.reason != reason:
            yield rule, f"{tool}: wanted the reason {each.reason}, got {reason or 'none'}"


def _words(expect: Expect, seen: Seen) -> _Found:
    lines = [event for event in seen.told if isinstance(event, TurnLine)]
    if expect.silent is not None and expect.silent is bool(lines):
        got = f'it said "{lines[0].text}"' if lines else "it said nothing"
        yield "silent", f"wanted {'silence' if expect.silent else 'words'}, {got}"
    if expect.line is None:
        return
    if not lines:
        yield "line", "it said nothing"
        return
    text = "\n".join(line.text for line in lines)
    for rule, message in _line_rules(expect.line, text):
        yield f"line.{rule}", f'{message}, got "{text}"'
    for rule in ("source", "emotion"):
        wanted, got = getattr(expect.line, rule), getattr(lines[-1], rule)
        if wanted is not None and wanted != got:
            yield f"line.{rule}", f"wanted {wanted}, got {got}"


def _line_rules(rules: LineRules, text: str) -> _Found:
    folded = text.casefold()
    missing = [each for each in rules.contains if each.casefold() not in folded]
    if missing:
        yield "contains", f"wanted {_listed(missing)} in it"
    if rules.any_of and not any(each.casefold() in folded for each in rules.any_of):
        yield "any_of", f"wanted one of {_listed(rules.any_of)} in it"
    unwanted = [each for each in rules.not_contains if each.casefold() in folded]
    if unwanted:
        yield "not_contains", f"wanted no {_listed(unwanted)} in it"
    if rules.matches is not None and not compiled(rules.matches, ignore_case=True).is_in(text):
        yield "matches", f"wanted a match of {rules.matches!r}"
    num_words = len(text.split())
    if rules.max_words is not None and num_words > rules.max_words:
        yield "max_words", f"wanted at most {rules.max_words} words, there are {num_words}"


def _world(expect: Expect, seen: Seen) -> _Found:
    world = seen.world
    for owner, counts in expect.inventory.items():
        held = {item: world.count(owner, item) for item in counts}
        yield from _values(f"inventory.{owner}", counts, held)
    facts = {fact: world.fact(fact) for fact in expect.facts}
    yield from _values("facts", expect.facts, facts)
    npc_id = seen.npc.npc_id
    if expect.at is not None and not world.is_at(npc_id, expect.at):
        here = world.ground.place_near(world.ground.positions[npc_id])
        yield "at", f"wanted it at {expect.at}, it is at {here or 'no place'}"


def _values(rule: str, wanted: Mapping[str, Any], got: Mapping[str, Any]) -> _Found:
    for key, value in wanted.items():
        if got.get(key) != value or isinstance(got.get(key), bool) is not isinstance(value, bool):
            yield rule, f"wanted {key} = {value}, it is {got.get(key)}"


def _listed(names: Sequence[str]) -> str:
    return f"[{', '.join(names)}]"
