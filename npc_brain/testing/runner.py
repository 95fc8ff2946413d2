"""Runs scenarios in process: a stage, a simulated world and a clock that the scenario moves.

A backend that is passed in is shared by scenarios and stays open. Without one, the model is the
scenario's own script.
"""

import asyncio
import time
from functools import cache, partial
from pathlib import Path
from typing import Any

from npc_brain.cache import cache_dir
from npc_brain.clock import FakeClock
from npc_brain.decision.models import Models
from npc_brain.decision.stage import Stage
from npc_brain.errors import ScenarioError
from npc_brain.inference.backends.scripted import ScriptedBackend, ScriptedReply
from npc_brain.inference.chat import Backend, FunctionCall
from npc_brain.inference.profile import ABLE, SMALL
from npc_brain.npc.definition import NpcDefinition, duration_s
from npc_brain.npc.machine import compile_machine
from npc_brain.testing.expectations import Seen, broken_rules
from npc_brain.testing.game import ScenarioGame, spelt
from npc_brain.testing.recording import ReplayBackend
from npc_brain.testing.report import Broken, Result, failure_text
from npc_brain.testing.scenario import Given, Scenario, Step, load_scenario
from npc_brain.tools.registry import BUILT_INS
from npc_brain.understanding.lexical import LexicalEncoder
from npc_brain.understanding.matching import Encoder

DEADLINE_MS = 120_000
"""Of a turn. Scenarios are about what is said; a slow machine must not change that."""


class ScenarioFailedError(ScenarioError):
    """A scenario did not go as its file says; the message is the report."""


def check_scenario(path: Path) -> Result:
    """Read and run one scenario file.

    Raises:
        ScenarioError: The file has mistakes.
        ScenarioFailedError: An expectation was not met.
    """
    result = run_scenario(load_scenario(path))
    if not result.is_ok:
        raise ScenarioFailedError(failure_text(result))
    return result


def run_scenario(scenario: Scenario, backend: Backend | None = None) -> Result:
    """Run a scenario to its end or to the first step that does not go as expected.

    Blocks; not to be called from within an event loop.

    Args:
        scenario: What to run.
        backend: A real model, in place of the scenario's script.
    """
    began_s = time.monotonic()
    result = asyncio.run(_run(scenario, backend))
    result.seconds = time.monotonic() - began_s
    return result


async def _run(scenario: Scenario, backend: Backend | None) -> Result:
    given = scenario.spec.given
    clock = FakeClock()
    model = None if given.model == () else backend or _scripted(given, clock)
    models = Models(LexicalEncoder(), model)
    game = ScenarioGame(scenario, clock)
    stage = game.stage = Stage(game.tell, models, clock, seed=given.seed)
    result = Result(scenario, game.trace, model=model.model_name if model else "none")
    try:
        if given.encoder != "lexical":
            await models.use_encoder(_sentence_encoder(given.encoder))
        await _populate(scenario, stage, game)
        for number, step in enumerate(scenario.spec.steps, start=1):
            game.begin_step(number)
            result.broken = await _Run(scenario, game).step(number, step)
            if isinstance(backend, ReplayBackend) and backend.num_missing:
                result.broken.append(Broken(number, "replay", "it is not in the recording"))
                backend.num_missing = 0
            if result.broken:
                break
    finally:
        await stage.close()
        models.backend = None  # a shared one outlives the scenario
        await asyncio.to_thread(models.close)
    return result


def _scripted(given: Given, clock: FakeClock) -> ScriptedBackend | None:
    if given.model is None:
        return None
    replies = [
        ScriptedReply(
            text=reply.say,
            calls=tuple(FunctionCall(name, args) for name, args in reply.call.items()),
            when=reply.when,
            after=reply.after,
            max_uses=reply.times,
        )
        for reply in given.model
    ]
    profile = given.profile or (ABLE if any(reply.calls for reply in replies) else SMALL)
    return ScriptedBackend(replies, clock=clock, is_threaded=False, profile=profile)


@cache
def _sentence_encoder(name: str) -> Encoder:
    # Imported here: most scenarios do without the model's runtime.
    from npc_brain.importing.catalogue import resolve_model
    from npc_brain.inference.sentence_encoder import SentenceEncoder

    return SentenceEncoder(resolve_model(name), keep_in=cache_dir("vectors"))


async def _populate(scenario: Scenario, stage: Stage, game: ScenarioGame) -> None:
    """Bring the NPCs to life; the one that starts in a given state never enters it."""
    given = scenario.spec.given
    for npc_id, definition in scenario.definitions.items():
        if npc_id != scenario.npc_id:
            stage.spawn(npc_id, definition)
        elif given.state is None:
            stage.spawn(npc_id, definition, blackboard=given.blackboard)
        else:
            stage.load({npc_id: _saved_in_state(definition, given)}, partial(_same, definition))
    await game.settle()
    game.approach(scenario.npc_id)


def _same(definition: NpcDefinition, _: str) -> NpcDefinition:
    return definition


def _saved_in_state(definition: NpcDefinition, given: Given) -> dict[str, Any]:
    """A saved NPC that has just come into `given.state` and has seen nothing yet."""
    machine = compile_machine(definition, BUILT_INS)
    state = machine.nodes[machine.nodes[given.state or machine.initial].leaf].name
    return {
        "definition": definition.id,
        "machine": {"state": state, "elapsed_s": [], "used": []},
        "blackboard": {**definition.blackboard, **given.blackboard},
        "transcript": [],
        "memories": [],
        "met": [],
        "last_speaker_id": None,
        "actions": [],
    }


class _Run:
    """The steps of one scenario."""

    def __init__(self, scenario: Scenario, game: ScenarioGame) -> None:
        self._scenario = scenario
        self._game = game

    async def step(self, number: int, step: Step) -> list[Broken]:
        """Let a step happen; what of it did not go as expected."""
        game = self._game
        npc_id = step.to or self._scenario.npc_id
        obstacle = await self._happen(npc_id, step)
        await game.settle()
        if obstacle:
            return [Broken(number, step.verb, obstacle)]
        told = [event for each, event in game.told if each == npc_id]
        actions = [(tool, args) for each, tool, args in game.actions if each == npc_id]
        seen = Seen(game.stage.npc(npc_id), told, actions, game.world)
        return broken_rules(number, step.expect, seen)

    async def _happen(self, npc_id: str, step: Step) -> str:
        """Do what a step says; why it could not be done, or nothing."""
        game, player_id = self._game, self._game.world.player_id
        speaker_id = step.by or self._scenario.spec.given.speaker
        if speaker_id == player_id and (step.hear is not None or step.give or step.attack):
            game.approach(npc_id)
        if step.hear is not None:
            game.note("heard", npc_id, f'"{step.hear}" (from {speaker_id})')
            game.follow(game.stage.hear(npc_id, speaker_id, step.hear, deadline_ms=DEADLINE_MS))
        elif step.event is not None:
            game.raise_event(npc_id, step.event, step.data)
        elif step.wait is not None:
            game.note("time", "", f"{step.wait} pass")
            await game.pass_time(duration_s(step.wait))
        elif step.attack:
            game.world.attack(npc_id)
            game.publish([])
        elif step.go is not None:
            game.note("time", "", f"the player goes to {step.go}")
            reason = await game.walk_player(step.go)
            return f"the player did not get to {step.go}: {reason}" if reason else ""
        elif step.give is not None:
            return self._give(npc_id, step.give)
        for tool, word in (step.action or {}).items():
            if not game.end_action(npc_id, tool, word, step.reason):
                return f"{npc_id} has no {tool} under way"
        return ""

    def _give(self, npc_id: str, stacks: dict[str, int]) -> str:
        game = self._game
        game.note("time", "", f"the player gives {spelt(stacks)}")
        for item, count in stacks.items():
            shortage = game.world.give_from_player(npc_id, item, count)
            if shortage is not None:
                return f"the player has {shortage.held} of {item}, not {shortage.wanted}"
        game.publish([])
        return ""
