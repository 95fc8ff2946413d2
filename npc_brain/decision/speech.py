"""Speaking with the language model: from what an NPC knows to the line that it streams."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from npc_brain.decision.call_outcome import CallOutcome
from npc_brain.decision.generation import stream
from npc_brain.decision.prompt import UNHEARD, opening, situation_text, trim_history
from npc_brain.decision.turn import Turn
from npc_brain.decision.utterance import IndiscreetLineError
from npc_brain.errors import InferenceError
from npc_brain.inference.chat import (
    Backend,
    CallEvent,
    ChatRequest,
    Finished,
    FunctionCall,
    FunctionSchema,
    LineRule,
    Message,
    TextDelta,
)
from npc_brain.inference.grammar import clean_line
from npc_brain.world.world import World

MAX_STEPS = 4
"""Generations in one turn: calls, their results, more calls, at last the line."""
MAX_CALLS_DONE = 3
"""Calls carried out of one generation."""
MAX_TOKENS = 64
"""Of a line; about 45 words."""
MAX_CALL_TOKENS = 224
"""Of a generation that may call functions."""

Vet = Callable[[str], Awaitable[bool]]
"""Judges whether what a model adds to a stated outcome may be said."""
Perform = Callable[[FunctionCall], Awaitable[CallOutcome]]


class SpeechError(InferenceError):
    """The model gave nothing that can be said."""


async def speak(backend: Backend, turn: Turn, world: World, *, instruction: str = "") -> None:
    """Stream a line into the turn and close it.

    Raises SpeechError when nothing could be said, TimeoutError at the deadline.
    """
    line = LineRule(max_sentences=backend.profile.max_sentences)
    request = _request(backend, turn, world, instruction, line, MAX_TOKENS)
    await _stream(backend, turn, request, turn.utterance.add)
    _close(turn)


async def speak_of_outcome(
    backend: Backend, turn: Turn, world: World, openers: Sequence[str], vet: Vet
) -> None:
    """Stream a line that begins with one of `openers`, which state what came of a tool call.

    The model chooses among them and goes on for a sentence. Where the model's profile
    vets additions, this is said only if `vet` lets it pass; else the line is the author's alone.
    Raises as `speak`.
    """
    openers = turn.utterance.discreet(map(clean_line, openers))
    if not openers:
        raise IndiscreetLineError("every line for the outcome would have spelled a secret")
    line = LineRule(openers=openers, max_sentences=1)
    request = _request(backend, turn, world, "", line, MAX_TOKENS)
    utterance = turn.utterance
    if not backend.profile.vets_additions:
        await _stream(backend, turn, request, utterance.add)
    else:
        heard, num_said = "", 0

        def add(piece: str) -> None:
            nonlocal heard, num_said
            start = len(heard)
            heard += piece
            stated = heard[start : max(map(len, _matching(openers, heard)), default=0)]
            num_said += len(stated)
            utterance.add(stated)

        await _stream(backend, turn, request, add)
        rest = heard[num_said:]
        if heard[:num_said] in openers and not (rest.strip() and await vet(rest)):
            utterance.close("scripted")
            return
        utterance.add(rest)
    _close(turn)


def _matching(openers: Sequence[str], text: str) -> list[str]:
    """The openers that `text` begins with or is the beginning of."""
    return [each for each in openers if each.startswith(text) or text.startswith(each)]


async def run_agent_loop(
    backend: Backend,
    turn: Turn,
    world: World,
    functions: Callable[[], Awaitable[Sequence[FunctionSchema]]],
    perform: Perform,
    *,
    instruction: str = "",
) -> None:
    """Let the model call functions, hear their results, and speak to the outcome.

    `functions` are asked for anew at each step, since a call may change what is legal. In the last
    step none is offered, so that a line must come. Raises as `speak`.
    """
    line = LineRule(max_sentences=backend.profile.max_sentences)
    request = _request(backend, turn, world, instruction, line, MAX_CALL_TOKENS)
    for step in range(MAX_STEPS):
        is_last = step == MAX_STEPS - 1
        offered = () if is_last else tuple(await functions())
        request = replace(request, functions=offered)
        calls = await _stream(backend, turn, request, turn.utterance.add)
        if turn.utterance.text or not calls:
            break
        made = [(call, await perform(call)) for call in _distinct(calls)[:MAX_CALLS_DONE]]
        results = [Message("tool", outcome.result.text, name=call.name) for call, outcome in made]
        said = Message("assistant", calls=tuple(call for call, _ in made))
        request = replace(request, messages=(*request.messages, said, *results))
    _close(turn)


def _request(
    backend: Backend, turn: Turn, world: World, instruction: str, line: LineRule, max_tokens: int
) -> ChatRequest:
    npc, speaker_id = turn.npc, turn.request.speaker_id
    situation = situation_text(
        npc.definition,
        " ".join(npc.node.prompts),
        speaker_id,
        world.name_of(speaker_id) if speaker_id else "",
        instruction,
    )
    history = [
        Message(
            "assistant" if said.speaker_id == npc.npc_id else "user",
            "" if said.media and said.text == UNHEARD else said.text,
            media=said.media,
        )
        for said in npc.transcript.turns
        if said.speaker_id in (npc.npc_id, speaker_id) and (said.text or said.media)
    ]
    return ChatRequest(
        messages=(
            *opening(npc, backend.profile, situation),
            *trim_history(history),
        ),
        line=line,
        sampling=backend.profile.sampling(npc.rng.getrandbits(31)),
        max_tokens=max_tokens,
        priority=turn.priority,
        deadline_s=turn.deadline_s,
    )


async def _stream(
    backend: Backend, turn: Turn, request: ChatRequest, add: Callable[[str], None]
) -> list[FunctionCall]:
    """Pass each piece of what the model says to `add`; returns the calls that it made."""
    calls: list[FunctionCall] = []
    async with aclosing(stream(backend, request)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                add(event.text)
            elif isinstance(event, CallEvent):
                calls.append(event.call)
            else:
                _note(turn, event)
    return calls


def _distinct(calls: Sequence[FunctionCall]) -> list[FunctionCall]:
    """`calls` without repetitions, which small models are prone to."""
    return [call for n, call in enumerate(calls) if call not in calls[:n]]


def _note(turn: Turn, finished: Finished) -> None:
    turn.num_tokens.update(
        num_prompt_tokens=finished.num_prompt_tokens,
        num_cached_tokens=finished.num_cached_tokens,
        num_completion_tokens=finished.num_completion_tokens,
    )
    if finished.reason == "deadline":
        raise TimeoutError
    if finished.reason == "error":
        raise SpeechError(finished.error)


def _close(turn: Turn) -> None:
    utterance = turn.utterance
    utterance.settle()
    if not utterance.text.strip():
        raise SpeechError("the model said nothing")
    if not utterance.is_between_sentences:
        utterance.add("\N{HORIZONTAL ELLIPSIS}")
    utterance.close("model")
