import json
import math
import random
from collections.abc import Mapping

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from npc_brain.errors import DefinitionError, NpcBrainError
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.effects import Assign, Say, Use
from npc_brain.npc.expressions import Scope
from npc_brain.npc.loader import load_definition
from npc_brain.npc.machine import (
    MAX_CHAIN,
    Machine,
    MachineState,
    Step,
    compile_machine,
    tool_end_event,
)
from npc_brain.tools.registry import BUILT_INS
from npc_brain.world.model import Scalar
from tests.counts import count
from tests.npc_files import MIRA, machine, ned

NESTED = """
initial: a
states:
  a:
    enter: [{bark: +a}]
    exit: [{bark: -a}]
    on: {out: c, inner: a2, again: a, deep: b2}
    initial: a1
    states:
      a1: {enter: [{bark: +a1}], exit: [{bark: -a1}], on: {next: a2, inner: a1}}
      a2: {enter: [{bark: +a2}], exit: [{bark: -a2}]}
  b:
    enter: [{bark: +b}]
    exit: [{bark: -b}]
    initial: b1
    on: {back: {to: a, do: [{bark: do}]}}
    states:
      b1: {enter: [{bark: +b1}], exit: [{bark: -b1}]}
      b2: {enter: [{bark: +b2}], exit: [{bark: -b2}]}
  c: {on: {up: b}}
"""


def barks(step: Step) -> str:
    return " ".join(effect.lines[0] for effect in step.effects if isinstance(effect, Say))


def apply(values: dict[str, Scalar], step: Step) -> None:
    values.update({e.key: e.value for e in step.effects if isinstance(e, Assign)})


def at(made: Machine, name: str, now_s: float = 0.0) -> MachineState:
    return MachineState(name, (now_s,) * len(made.nodes[name].path))


@pytest.mark.parametrize(
    ("state", "event", "to", "said"),
    [
        ("a1", "next", "a2", "-a1 +a2"),
        ("a1", "out", "c", "-a1 -a"),
        ("a1", "again", "a1", "-a1 -a +a +a1"),
        ("a2", "inner", "a2", "-a2 +a2"),
        ("a1", "inner", "a1", "-a1 +a1"),
        ("a2", "deep", "b2", "-a2 -a +b +b2"),
        ("b2", "back", "a1", "-b2 -b do +a +a1"),
        ("c", "up", "b1", "+b +b1"),
    ],
)
def test_states_are_left_and_entered_in_order(state: str, event: str, to: str, said: str) -> None:
    made = machine(NESTED)
    step = made.handle(at(made, state), event, Scope({}), 1.0)
    assert (step.state.name, barks(step)) == (to, said)
    assert [(t.from_state, t.to_state, t.event) for t in step.transitions] == [(state, to, event)]


def test_the_start_enters_from_the_outside_in() -> None:
    step = machine(NESTED).start(Scope({}), 5.0)
    assert barks(step) == "+a +a1"
    assert step.transitions[0].from_state is None
    assert step.state == MachineState("a1", (5.0, 5.0))


def test_spawn_is_an_event() -> None:
    step = machine("initial: a\nstates: {a: {on: {spawn: b}}, b: {}}").start(Scope({}), 0.0)
    assert [t.to_state for t in step.transitions] == ["a", "b"]


def test_a_transition_within_a_parent_keeps_its_timer() -> None:
    made = machine("""
        initial: a
        states:
          a:
            after: {10s: c}
            initial: a1
            states: {a1: {on: {next: a2}}, a2: {}}
          c: {}
        """)
    step = made.handle(at(made, "a1"), "next", Scope({}), 4.0)
    assert step.state == MachineState("a2", (0.0, 4.0), next_due_s=10.0)
    assert made.tick(step.state, Scope({}), 9.9).state.name == "a2"
    assert made.tick(step.state, Scope({}), 10.0).state.name == "c"


def test_the_first_transition_whose_guard_holds_is_taken_and_the_child_comes_first() -> None:
    made = machine("""
        blackboard: {n: 0}
        initial: a
        states:
          a:
            on: {go: d}
            initial: a1
            states: {a1: {on: {go: [{to: b, if: n > 1}, {to: c, if: n > 0}]}}}
          b: {}
          c: {}
          d: {}
        """)
    reached = [made.handle(at(made, "a1"), "go", Scope({"n": n}), 0.0).state.name for n in range(3)]
    assert reached == ["d", "c", "b"]


def test_an_event_that_leads_nowhere_changes_nothing_and_is_recorded() -> None:
    made = machine(NESTED)
    before = at(made, "a1")
    step = made.handle(before, "unheard_of", Scope({}), 3.0)
    assert step == Step(before, ignored=("unheard_of",))


def test_an_alias_is_tried_when_the_name_leads_nowhere() -> None:
    made = machine("""
        initial: a
        states:
          a: {enter: [{go_to: cellar}], on: {reached_goal: b}}
          b: {on: {reached_goal: a}}
        """)
    event, alias = tool_end_event(BUILT_INS["go_to"], is_done=True)
    assert (event, alias) == ("go_to_done", "reached_goal")
    assert made.handle(at(made, "a"), event, Scope({}), 0.0, alias=alias).state.name == "b"
    assert tool_end_event(BUILT_INS["go_to"], is_done=False) == ("go_to_failed", "")


def test_a_guard_transition_is_taken_as_soon_as_it_is_true() -> None:
    made = machine("""
        blackboard: {trust: 0, asked: false}
        initial: a
        states:
          a:
            on:
              trust >= 2 and asked: b
              gift: {do: [{set: {trust: trust + event.worth}}]}
              question: {do: [{set: {asked: true}}]}
          b: {enter: [{say: "now {trust}"}]}
        """)
    values: dict[str, Scalar] = {"trust": 0, "asked": False}
    state = at(made, "a")
    for event, worth in (("gift", 1), ("gift", 1), ("question", 0)):
        step = made.handle(state, event, Scope(values, {"worth": worth}), 0.0)
        apply(values, step)
        state = step.state
    assert values == {"trust": 2, "asked": True}
    assert state.name == "b"
    assert step.transitions[0].event == "trust >= 2 and asked"
    assert step.effects == (Assign("asked", True), Say(("now {trust}",)))


def test_a_tick_sees_an_inventory_that_has_changed() -> None:
    made = machine("initial: a\nstates: {a: {on: {holds(key): b}}, b: {}}")
    assert made.tick(at(made, "a"), Scope({}), 0.0).state.name == "a"
    assert made.tick(at(made, "a"), Scope({}, held={"key": 1}), 0.0).state.name == "b"


def test_a_timer_with_a_guard_waits_for_it() -> None:
    made = machine("""
        blackboard: {ready: false}
        initial: a
        states: {a: {after: {5s: {to: b, if: ready}, 7s: c}}, b: {}, c: {}}
        """)
    state = made.start(Scope({"ready": False}), 0.0).state
    assert state.next_due_s == 5.0
    state = made.tick(state, Scope({"ready": False}), 5.5).state
    assert (state.name, state.next_due_s) == ("a", 7.0)
    assert made.tick(state, Scope({"ready": True}), 6.0).state.name == "b"
    assert made.tick(state, Scope({"ready": False}), 7.0).state.name == "c"


def test_raised_events_follow_the_transition() -> None:
    made = machine("""
        initial: a
        states:
          a: {on: {go: {to: b, do: [{raise: ping}, {bark: one}]}, ping: c}}
          b: {enter: [{bark: two}], on: {ping: {to: c, do: [{bark: three}]}}}
          c: {}
        """)
    step = made.handle(at(made, "a"), "go", Scope({}), 0.0)
    assert (step.state.name, barks(step)) == ("c", "one two three")


@pytest.mark.parametrize(
    "states",
    [
        "{a: {on: {n == 0: b, x: b}}, b: {on: {n >= 0: a}}}",
        "{a: {on: {x: {do: [{raise: x}]}}}}",
        "{a: {on: {x: {do: [{raise: x}, {raise: x}]}}}}",
    ],
)
def test_a_circle_ends_with_a_fault(states: str) -> None:
    made = machine(f"blackboard: {{n: 0}}\ninitial: a\nstates: {states}")
    step = made.handle(at(made, "a"), "x", Scope({"n": 0}), 0.0)
    assert len(step.transitions) <= MAX_CHAIN
    assert "circle" in step.faults[0]


@pytest.mark.parametrize(
    "data",
    [{}, {"d": "much"}, {"d": True}, {"d": math.nan}, {"d": math.inf}, {"d": 2**60}, {"d": 0.5}],
)
def test_a_set_that_does_not_fit_is_left_out_and_recorded(data: dict[str, Scalar]) -> None:
    made = machine("""
        blackboard: {hp: 10}
        initial: a
        states: {a: {on: {hit: {to: b, do: [{set: {hp: hp - event.d}}, {bark: ouch}]}}}, b: {}}
        """)
    step = made.handle(at(made, "a"), "hit", Scope({"hp": 10}, data), 0.0)
    assert step.state.name == "b"
    assert step.effects == (Say(("ouch",), is_bark=True),)
    assert "`hp` was not set" in step.faults[0]


def test_a_step_leaves_its_input_alone() -> None:
    values: Mapping[str, Scalar] = {"trust": 0, "asked_about_cellar": False}
    made = compile_machine(load_definition(MIRA), BUILT_INS)
    state = made.start(Scope(values), 0.0).state
    first = made.handle(state, "gift_received", Scope(values), 1.0)
    again = made.handle(state, "gift_received", Scope(values), 1.0)
    assert first == again
    assert values == {"trust": 0, "asked_about_cellar": False}


def test_saved_timers_run_on() -> None:
    made = compile_machine(load_definition(MIRA), BUILT_INS)
    state = made.handle(at(made, "fleeing"), "reached_goal", Scope({}), 100.0).state
    saved = json.loads(json.dumps(state.to_json(130.0)))
    restored = made.restore(saved, 5.0)
    assert (restored.name, restored.next_due_s) == ("hiding", 65.0)
    assert made.tick(restored, Scope({"trust": 1}), 65.0).state.name == "tending_bar"


def test_a_timer_that_was_due_when_saved_fires_after_loading() -> None:
    made = machine("initial: a\nstates: {a: {after: {5s: b}}, b: {}}")
    restored = made.restore({"state": "a", "elapsed_s": [9.0], "used": []}, 0.0)
    assert made.tick(restored, Scope({}), 0.0).state.name == "b"


def test_a_save_of_a_state_that_is_gone_starts_over() -> None:
    made = machine(NESTED)
    for name in ("gone", "a"):
        restored = made.restore({"state": name, "elapsed_s": [1.0], "used": ["x"]}, 8.0)
        assert restored == MachineState("a1", (8.0, 8.0), frozenset({"x"}))


@pytest.mark.parametrize(
    "saved",
    [{}, {"state": 1, "elapsed_s": [], "used": []}, {"state": "a", "elapsed_s": 3, "used": []},
     {"state": "a", "elapsed_s": ["x"], "used": []}, {"state": "a", "elapsed_s": [], "used": [[]]},
     {"state": "a", "elapsed_s": [math.nan], "used": []}],
)  # fmt: skip
def test_a_damaged_save_is_an_error(saved: dict[str, object]) -> None:
    with pytest.raises(NpcBrainError, match="damaged"):
        machine(NESTED).restore(saved, 0.0)


def test_a_tool_that_is_not_registered_is_an_error_at_compile() -> None:
    definition = ned("initial: a\nstates: {a: {enter: [{go_to: x}]}}")
    with pytest.raises(DefinitionError, match="unknown tool `go_to`"):
        compile_machine(definition, {})


def test_what_nested_states_take_over() -> None:
    node = compile_machine(load_definition(MIRA), BUILT_INS).nodes["restocking"]
    assert node.path == ("working", "restocking")
    assert len(node.prompts) == 2
    assert "inventory_give" in node.tools
    assert node.mind == "model"
    assert node.fallback[0] == "Sorry, what was that?"


def declared_edges(definition: NpcDefinition) -> set[tuple[str, str]]:
    """Leaf pairs that the file allows, worked out without the compiler.

    Of each state: what it or a parent names, on to `initial`.
    """
    edges: set[tuple[str, str]] = set()
    leaf_of: dict[str, str] = {}
    outgoing: dict[str, set[str]] = {}

    def visit(states, inherited):
        for name, state in states.items():
            own = {t.to for group in (*state.on.values(), *state.after.values()) for t in group}
            own |= {heard.to for heard in state.heard}
            targets = inherited | {target for target in own if target}
            leaf = name
            inner = state
            while inner.states:
                leaf = inner.initial
                inner = inner.states[leaf]
            leaf_of[name] = leaf
            if not state.states:
                outgoing[name] = targets
            visit(state.states, targets)

    visit(definition.states, frozenset())
    for name, targets in outgoing.items():
        edges |= {(name, leaf_of[target]) for target in targets}
    return edges


EVENTS = (
    "attacked", "gift_received", "reached_goal", "go_to_done", "go_to_failed", "heard",
    "conversation_ended", "spawn", "xyzzy", "working", "hiding", "tending_bar",
)  # fmt: skip


def random_step(
    made: Machine, state: MachineState, scope: Scope, now_s: float, rng: random.Random
) -> Step:
    match rng.randrange(4):
        case 0:
            return made.tick(state, scope, now_s)
        case 1:
            reactions = [r for name in made.node(state).path for r in made.nodes[name].reactions]
            if reactions:
                return made.react(state, rng.choice(reactions), scope, now_s)
    return made.handle(state, rng.choice(EVENTS), scope, now_s)


def test_random_events_never_reach_an_undeclared_transition() -> None:
    """Acceptance 5, at the machine: any events, heard entries, data and blackboards."""
    definition = load_definition(MIRA)
    edges = declared_edges(definition)
    made = compile_machine(definition, BUILT_INS)
    rng = random.Random(5)
    values: dict[str, Scalar] = dict(definition.blackboard)
    step = made.start(Scope(values), 0.0)
    now_s, seen = 0.0, set()
    for _ in range(count(100_000, 20_000)):
        now_s += rng.expovariate(0.1)
        if rng.random() < 0.1:
            values["trust"] = rng.randrange(-5, 6)
        data = {"x": rng.choice([1, "a", True, -1.5])}
        scope = Scope(values, data, held={"cellar_key": rng.randrange(2)}, speaker="player")
        before = step.state.name
        step = random_step(made, step.state, scope, now_s, rng)
        apply(values, step)
        for made_transition in step.transitions:
            edge = (made_transition.from_state, made_transition.to_state)
            assert edge in edges
            assert edge[0] == before
            before = edge[1]
            seen.add(edge)
        assert step.state.name == before
        assert made.nodes[before].leaf == before
        assert not step.faults
        assert all(isinstance(e, Assign | Say | Use) for e in step.effects)
    assert seen >= {("tending_bar", "confiding"), ("fleeing", "hiding"), ("hiding", "tending_bar")}


class AnyOrder(RuleBasedStateMachine):
    """A machine under any events: its state is always sound, and a save restores it."""

    def __init__(self) -> None:
        super().__init__()
        self.made = compile_machine(load_definition(MIRA), BUILT_INS)
        self.values: dict[str, Scalar] = {"trust": 0, "asked_about_cellar": False}
        self.now_s = 0.0
        self.state = self.made.start(Scope(self.values), 0.0).state

    def take(self, step: Step) -> None:
        apply(self.values, step)
        self.state = step.state

    @rule(event=st.sampled_from(EVENTS) | st.text(max_size=8))
    def handle(self, event: str) -> None:
        self.take(self.made.handle(self.state, event, Scope(self.values), self.now_s))

    @rule(seconds=st.floats(0, 200))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.take(self.made.tick(self.state, Scope(self.values), self.now_s))

    @rule(trust=st.integers(-5, 5))
    def trust(self, trust: int) -> None:
        self.values["trust"] = trust

    @invariant()
    def is_sound(self) -> None:
        node = self.made.node(self.state)
        assert node.leaf == node.name
        assert len(self.state.entered_at_s) == len(node.path)
        assert list(self.state.entered_at_s) == sorted(self.state.entered_at_s)
        assert self.state.next_due_s > self.now_s

    @invariant()
    def survives_a_save(self) -> None:
        restored = self.made.restore(self.state.to_json(self.now_s), self.now_s)
        assert restored.name == self.state.name
        assert restored.entered_at_s == pytest.approx(self.state.entered_at_s)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=count(200, 30), stateful_step_count=40, deadline=None)
