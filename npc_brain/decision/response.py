"""What an NPC does and says in a turn.

In this order, and the first that answers ends it: the author's safety rules, the author's reactions
to what was heard, a tool chosen by the sentence encoder, the language model, an authored line for
the state. The outcome of every tool call is worded from what came of it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from npc_brain.decision.aside import is_harmless
from npc_brain.decision.outcome_lines import fallback_line, outcome_lines, values_of
from npc_brain.decision.prompt import UNHEARD
from npc_brain.decision.scene import InnerEvent, Scene, tool_end
from npc_brain.decision.speech import run_agent_loop, speak, speak_of_outcome
from npc_brain.decision.tool_calls import CallOutcome
from npc_brain.decision.turn import Turn
from npc_brain.errors import InferenceError
from npc_brain.inference.chat import Backend, FunctionCall, FunctionSchema
from npc_brain.inference.grammar import clean_line
from npc_brain.npc.compile import Reaction
from npc_brain.npc.effects import Use, pick_line
from npc_brain.npc.machine import CONVERSATION_ENDED, HEARD
from npc_brain.npc.npc import Npc
from npc_brain.schema.marks import ref_of
from npc_brain.tools.narrow import legal_schema
from npc_brain.tools.registry import BUILT_INS
from npc_brain.tools.spec import Tool, ToolKind, refusal
from npc_brain.understanding.arguments import Missing, fill
from npc_brain.understanding.examples import JUST_TALK
from npc_brain.understanding.linking import Mention
from npc_brain.understanding.trading import Money
from npc_brain.world.world import World

SURE_MARGIN = 0.1
"""Of a tool choice by the encoder; below it, `tool_choice: both` leaves the choice to the model."""
GREETINGS = ("Hello!", "Good evening.", "Hi there!", "Greetings.", "Well met.")
MIN_GREETING_LIKENESS = 0.6

MIN_LIKENESS = 0.45
"""Of what a small model adds, to what was heard or came of it; less is off the point."""

_log = logging.getLogger(__name__)

RaiseEvent = Callable[[Npc, InnerEvent, str | None], None]
"""Lets an NPC's machine react to an event; what it then says comes in a turn of its own."""


class Responder:
    """Responds in turns. One serves all NPCs of a scene."""

    def __init__(self, scene: Scene, raise_event: RaiseEvent) -> None:
        self._scene = scene
        self._raise_event = raise_event

    async def respond(self, turn: Turn) -> None:
        """Do and say what the turn calls for. Raises TimeoutError when a deadline has passed."""
        request = turn.request
        turn.utterance.emotion = turn.npc.node.emotion or "neutral"
        if request.cause == "state":
            turn.say(" ".join(request.lines), "scripted")
        elif request.outcome is not None:
            await self._tell_outcome(turn, request.outcome)
        else:
            await self._answer(turn)

    async def _answer(self, turn: Turn) -> None:
        scene, npc, text = self._scene, turn.npc, turn.request.text
        speaker_id = npc.last_speaker_id = turn.request.speaker_id
        is_first = speaker_id not in npc.met
        npc.met.add(speaker_id or "")
        sound = turn.request.sound
        npc.transcript.add(speaker_id or "", text or UNHEARD, media=(sound,) if sound else ())
        self._raise_event(npc, InnerEvent(HEARD), speaker_id)
        values = npc.values(scene.world, speaker_id)
        if await scene.models.refuses(npc, text):
            turn.say(pick_line(npc.definition.safety.line, values, npc.rng) or "…", "scripted")
            return
        mentions = await scene.models.mentions(npc, text, scene.world)
        instruction = ""
        scope = npc.scope(scene.world, speaker_id=speaker_id)
        reaction = await scene.models.match_heard(npc, text, mentions, scope) if text else None
        if reaction is not None and npc.machine.is_open(npc.state, reaction):
            if await self._react(turn, reaction):
                return
            instruction = reaction.heard.prompt
        if npc.node.mind == "scripted":
            turn.say(fallback_line(npc.node.fallback, values, npc.rng), "scripted")
        elif not await self._use_tool(turn, mentions, instruction):
            await self._talk(turn, instruction, is_first)

    async def _react(self, turn: Turn, reaction: Reaction) -> bool:
        """Do what an author's reaction asks for; returns whether it also said something.

        Its tools are used first. When one is refused or fails, that is what the NPC speaks of, and
        the reaction, with its transition, has not happened. When they have moved the machine on,
        the transition is dropped.
        """
        scene, npc, speaker_id = self._scene, turn.npc, turn.request.speaker_id
        values = npc.values(scene.world, speaker_id)
        uses = [effect for effect in reaction.move.do if isinstance(effect, Use)]
        outcome = None
        for use in uses:
            args = scene.arguments(use, values, speaker_id)
            outcome = await self.perform(turn, scene.tools.get(use.tool), args)
            values |= values_of(outcome.result, outcome.args, scene.world)
            if not outcome.result.ok:
                await self._tell_outcome(turn, outcome)
                return True
        scope = npc.scope(scene.world, speaker_id=speaker_id)
        step = npc.react(reaction, scope, scene.world, scene.clock.now_s())
        values |= npc.values(scene.world, speaker_id)
        done = {id(use) for use in uses}
        carried = scene.carry_out(npc, step, speaker_id, values=values, done=done)
        turn.utterance.emotion = reaction.heard.emotion or npc.node.emotion or "neutral"
        said = pick_line(reaction.heard.say, values, npc.rng)
        lines = [line for line in (said, *carried.lines) if line]
        if lines:
            turn.say(" ".join(lines), "scripted")
        elif outcome is not None:
            await self._tell_outcome(turn, outcome)
        for end in carried.ended:
            self._raise_event(npc, end, speaker_id)
        return bool(lines) or outcome is not None

    async def _use_tool(self, turn: Turn, mentions: Sequence[Mention], instruction: str) -> bool:
        """Let whoever picks tools pick one; returns whether the turn was answered."""
        npc, backend = turn.npc, self._scene.models.backend
        names = _tools_now(npc)
        choice = npc.definition.tool_choice or ("model" if _is_able(backend) else "encoder")
        if not names:
            return False
        if turn.request.text and (choice != "model" or backend is None):
            is_backed = choice == "both" and backend is not None
            outcome = await self._pick(turn, names, mentions, SURE_MARGIN if is_backed else 0.0)
            if outcome is not None:
                await self._tell_outcome(turn, outcome)
                return True
        if choice == "encoder" or backend is None:
            return False
        await self._let_model_act(turn, backend, instruction)
        return True

    async def _pick(
        self, turn: Turn, names: Sequence[str], mentions: Sequence[Mention], min_margin: float
    ) -> CallOutcome | None:
        """Use the tool that the encoder takes the text to ask for; None when it asks for none."""
        scene, npc, text = self._scene, turn.npc, turn.request.text
        match = await scene.models.choose_tool(
            npc, text, mentions, names, self.own_examples(npc), scene.world
        )
        if match.label == JUST_TALK or match.margin < min_margin:
            return None
        tool = scene.tools.get(match.label)
        context = scene.context(npc, turn.request.speaker_id)
        focus = (match.start, match.end)

        def read_arguments() -> dict[str, Any] | Missing | None:
            legal = legal_schema(tool, context)
            if legal is None:
                return None
            money = _money(context.world)
            return fill(tool.schema, legal, text, mentions, focus=focus, money=money)

        filled = await scene.models.run(read_arguments, npc)
        if filled is None:
            return await self._perform_chosen(turn, tool, _named(tool, mentions))
        if isinstance(filled, Missing):
            if not filled.mentioned_id:
                return None
            filled = {**filled.filled, filled.parameter: filled.mentioned_id}
        return await self._perform_chosen(turn, tool, filled)

    async def _let_model_act(self, turn: Turn, backend: Backend, instruction: str) -> None:
        scene, npc = self._scene, turn.npc

        async def functions() -> list[FunctionSchema]:
            context = scene.context(npc, turn.request.speaker_id)
            names = _tools_now(npc)
            legal = await scene.models.run(lambda: scene.tools.legal(names, context), npc)
            return [FunctionSchema(tool.name, tool.description, schema) for tool, schema in legal]

        async def perform(call: FunctionCall) -> CallOutcome:
            tool = scene.tools.get(call.name)
            outcome = await self._perform_chosen(turn, tool, call.arguments)
            if tool.kind is not ToolKind.DIALOGUE:
                values = {
                    **npc.values(scene.world, turn.request.speaker_id),
                    **values_of(outcome.result, outcome.args, scene.world),
                }
                turn.outcome_lines = turn.utterance.discreet(
                    outcome_lines(npc.definition, call.name, outcome.result, values)
                )
            return outcome

        try:
            await run_agent_loop(
                backend, turn, scene.world, functions, perform, instruction=instruction
            )
        except InferenceError as error:
            self._fall_back(turn, error)

    async def _talk(self, turn: Turn, instruction: str, is_first: bool) -> None:
        """Answer with words alone."""
        scene, npc = self._scene, turn.npc
        values = npc.values(scene.world, turn.request.speaker_id)
        greeting = pick_line(npc.definition.lines.greeting, values, npc.rng) if is_first else None
        backend = scene.models.backend
        if greeting and (backend is None or await self._is_greeting(npc, turn.request.text)):
            turn.say(greeting, "scripted")
        elif backend is None:
            self._fall_back(turn)
        else:
            try:
                await speak(backend, turn, scene.world, instruction=instruction)
            except InferenceError as error:
                self._fall_back(turn, error)

    async def _is_greeting(self, npc: Npc, text: str) -> bool:
        return await self._scene.models.likeness(npc, text, GREETINGS) >= MIN_GREETING_LIKENESS

    async def _tell_outcome(self, turn: Turn, outcome: CallOutcome) -> None:
        """Speak of what came of a tool call: begin with what is true, then let the model go on."""
        scene, npc = self._scene, turn.npc
        result, name = outcome.result, outcome.tool.name
        values = {
            **npc.values(scene.world, turn.request.speaker_id),
            **values_of(result, outcome.args, scene.world),
        }
        lines = outcome_lines(npc.definition, name, result, values)
        turn.outcome_lines = turn.utterance.discreet(map(clean_line, lines))
        backend = scene.models.backend
        if backend is not None and npc.node.mind == "model":
            openers = outcome_lines(
                npc.definition, name, result, values, for_model=backend.picks_tools
            )
            topic = [text for text in (turn.request.text, result.text) if text]
            vet = partial(self._may_add, npc=npc, to=topic)
            try:
                await speak_of_outcome(backend, turn, scene.world, openers, vet)
            except InferenceError as error:
                self._fall_back(turn, error)
        else:
            turn.say(npc.rng.choice(turn.utterance.discreet(lines) or lines), "scripted")
        if result.ends_conversation:
            self._raise_event(npc, InnerEvent(CONVERSATION_ENDED), turn.request.speaker_id)

    async def _perform_chosen(
        self, turn: Turn, tool: Tool, args: Mapping[str, Any] | None
    ) -> CallOutcome:
        """Carry out a call that the encoder or the model chose, if it is still legal here."""
        if tool.name in _tools_now(turn.npc):
            return await self.perform(turn, tool, args)
        outcome = CallOutcome(
            tool, dict(args or {}), refusal("not_now", "It is too late for that.")
        )
        turn.used(outcome)
        return outcome

    async def perform(self, turn: Turn, tool: Tool, args: Mapping[str, Any] | None) -> CallOutcome:
        """Carry out a call in a turn, and raise the event of its end."""
        scene, npc, speaker_id = self._scene, turn.npc, turn.request.speaker_id
        if args is None:
            text = f"{tool.name} was called for with something that is not known."
            outcome = CallOutcome(tool, {}, refusal("bad_arguments", text))
        else:
            context = scene.context(npc, speaker_id)
            outcome = await scene.calls.perform(tool, context, dict(args), turn.turn_id)
        turn.used(outcome)
        if not outcome.was_requested:
            self._raise_event(npc, tool_end(outcome), speaker_id)
        result, utterance = outcome.result, turn.utterance
        if result.emotion:
            utterance.emotion, utterance.gesture = result.emotion, result.gesture
        if result.choices:
            utterance.choices = result.choices
        return outcome

    async def _may_add(self, added: str, *, npc: Npc, to: Sequence[str]) -> bool:
        """Whether what a small model adds to a stated outcome is to the point and harmless."""
        models = self._scene.models
        if not is_harmless(added, await models.mentions(npc, added, self._scene.world)):
            return False
        return await models.likeness(npc, added, to) >= MIN_LIKENESS

    def _fall_back(self, turn: Turn, error: InferenceError | None = None) -> None:
        """Say the author's line for this state: there is no model, or it failed."""
        if error is not None:
            _log.warning("turn %d of %s: %s", turn.turn_id, turn.npc.npc_id, error.code)
        turn.fall_back(self._scene.world)

    def own_examples(self, npc: Npc) -> dict[str, tuple[str, ...]]:
        """Sentences by tool besides the built-in ones: the game's tools', then the author's."""
        authored = npc.definition.examples
        names = sorted({*authored, *npc.machine.tool_names} - BUILT_INS.keys() | authored.keys())
        tools = [self._scene.tools.get(name) for name in names]
        return {tool.name: (*tool.examples, *authored.get(tool.name, ())) for tool in tools}


def _money(world: World) -> Money | None:
    if world.currency is None:
        return None
    prices = {i.id: i.price for i in world.items.values() if i.price is not None}
    return Money(world.currency, prices)


def _tools_now(npc: Npc) -> list[str]:
    """The tools that may be chosen in the NPC's present state."""
    return list(npc.node.tools) if npc.node.mind == "model" else []


def _named(tool: Tool, mentions: Sequence[Mention]) -> dict[str, str]:
    """The argument that a text names for a tool that is not legal now: the refusal speaks of it."""
    for name, schema in tool.schema.get("properties", {}).items():
        ref = ref_of(schema)
        if name in tool.schema.get("required", ()) and ref and "item" in ref.domain.kinds:
            item = next((mention.id for mention in mentions if mention.kind == "item"), None)
            return {name: item} if item else {}
    return {}


def _is_able(backend: Backend | None) -> bool:
    return backend is not None and backend.picks_tools
