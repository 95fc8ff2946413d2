"""Delivers the answer of a turn: nothing else speaks, or asks the model to."""

import logging
from collections.abc import Awaitable, Sequence
from functools import partial

from npc_brain.decision.answer import Answer, FallBack, Say, Speak, Tell
from npc_brain.decision.aside import is_harmless
from npc_brain.decision.call_outcome import CallOutcome
from npc_brain.decision.mailbox import Event
from npc_brain.decision.outcome_lines import outcome_lines, values_of
from npc_brain.decision.speech import run_agent_loop, speak, speak_of_outcome
from npc_brain.decision.view import TurnView
from npc_brain.errors import InferenceError
from npc_brain.inference.chat import Backend, FunctionCall, FunctionSchema
from npc_brain.inference.grammar import clean_line
from npc_brain.npc.machine import CONVERSATION_ENDED
from npc_brain.tools.spec import ToolKind
from npc_brain.world.model import Scalar

MIN_LIKENESS = 0.45
"""Of what a small model adds, to what was heard or came of it; less is off the point."""

_log = logging.getLogger(__name__)


async def deliver(view: TurnView, answer: Answer) -> None:
    """Say what was decided on. Raises TimeoutError when the deadline has passed."""
    turn = view.turn
    turn.feel(answer.emotion)
    match answer:
        case Say():
            turn.say(answer.text, answer.source)
        case Tell():
            await _tell(view, answer.outcome)
        case Speak():
            await _speak(view, answer)
        case FallBack():
            turn.fall_back()


async def _tell(view: TurnView, outcome: CallOutcome) -> None:
    """Talk about a call's outcome: begin with what is true, then let the model continue."""
    turn, npc = view.turn, view.npc
    result, name = outcome.result, outcome.tool.name
    values = _values(view, outcome)
    lines = outcome_lines(npc.definition, name, result, values)
    turn.outcome_lines = turn.utterance.discreet(map(clean_line, lines))
    backend = view.models.backend
    if backend is None or npc.node.mind == "scripted":
        turn.say(npc.rng.choice(turn.utterance.discreet(lines) or lines), "scripted")
    else:
        is_trusted = not backend.profile.vets_additions
        openers = outcome_lines(npc.definition, name, result, values, for_model=is_trusted)
        topic = [text for text in (view.text, result.text) if text]
        vet = partial(_may_add, view, topic)
        await _or_fall_back(view, speak_of_outcome(backend, turn, view.world, openers, vet))
    if result.ends_conversation:
        view.actor.raise_event(Event(CONVERSATION_ENDED, speaker_id=view.speaker_id))


async def _speak(view: TurnView, answer: Speak) -> None:
    backend = view.models.backend
    if backend is None:  # it has gone since
        view.turn.fall_back()
    elif answer.has_tools:
        await _or_fall_back(view, _act(view, backend, answer.instruction))
    else:
        line = speak(backend, view.turn, view.world, instruction=answer.instruction)
        await _or_fall_back(view, line)


async def _or_fall_back(view: TurnView, speaking: Awaitable[None]) -> None:
    """Let the model speak; when it fails, say the author's line for this state."""
    try:
        await speaking
    except InferenceError as error:
        _log.warning("turn %d of %s: %s", view.turn.turn_id, view.npc.npc_id, error.code)
        view.turn.fall_back()


async def _act(view: TurnView, backend: Backend, instruction: str) -> None:
    """Let the model call tools and phrase their outcomes."""
    turn, tools = view.turn, view.context.tools

    async def functions() -> list[FunctionSchema]:
        context, names = view.tool_context, view.tool_names
        legal = await view.models.run(lambda: tools.legal(names, context), view.npc)
        return [FunctionSchema(tool.name, tool.description, schema) for tool, schema in legal]

    async def perform(call: FunctionCall) -> CallOutcome:
        outcome = await view.perform_chosen(tools.get(call.name), call.arguments)
        if outcome.tool.kind is not ToolKind.DIALOGUE:
            lines = outcome_lines(
                view.npc.definition, call.name, outcome.result, _values(view, outcome)
            )
            turn.outcome_lines = turn.utterance.discreet(lines)
        return outcome

    await run_agent_loop(backend, turn, view.world, functions, perform, instruction=instruction)


def _values(view: TurnView, outcome: CallOutcome) -> dict[str, Scalar]:
    return {**view.values, **values_of(outcome.result, outcome.args, view.world)}


async def _may_add(view: TurnView, topic: Sequence[str], added: str) -> bool:
    """Whether what a small model adds to a stated outcome is to the point and harmless."""
    models = view.models
    if not is_harmless(added, await models.mentions(view.npc, added, view.world)):
        return False
    return await models.likeness(view.npc, added, topic) >= MIN_LIKENESS
