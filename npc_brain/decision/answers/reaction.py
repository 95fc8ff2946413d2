"""The author's reactions to what was heard: the `heard` entries of the active states."""

import asyncio
from contextlib import suppress

from npc_brain.decision.answer import Answer, Pass, Say, Tell, Why
from npc_brain.decision.outcome_lines import STARTED, values_of
from npc_brain.decision.view import TurnView
from npc_brain.npc.compile import Reaction
from npc_brain.npc.effects import pick_line


async def reaction(view: TurnView) -> Answer | Pass:
    """Do what the entry that matches asks for, and say its line if it has one."""
    npc = view.npc
    if not view.text:
        return Pass(why={"text": ""})
    scope = npc.scope(view.world, speaker_id=view.speaker_id)
    match = await view.models.match_heard(npc, view.text, view.mentions, scope)
    why: Why = {"entry": match.entry, "likeness": match.likeness, "min": match.min_likeness}
    if match.reaction is None:
        return Pass(why=why if match.entry else {})
    if not npc.machine.is_open(npc.state, match.reaction):
        return Pass(why={**why, "left its state": True})
    if not match.reaction.uses:
        return await _react(view, match.reaction, why)
    work = asyncio.ensure_future(_react(view, match.reaction, why))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        if not view.turn.is_ended or view.actor.is_gone:
            work.cancel()
        with suppress(asyncio.CancelledError):
            await work  # of a cancelled turn: what the game does all the same has all its effects
        raise


async def _react(view: TurnView, reaction: Reaction, why: Why) -> Answer | Pass:
    """Do what a reaction asks for.

    Its tools are used first. When one is refused or fails, that is what the NPC speaks of, and the
    reaction, with its transition, has not happened. When they have moved the machine on, the
    transition is dropped.
    """
    npc, actor, speaker_id = view.npc, view.actor, view.speaker_id
    values = view.values
    outcome = None
    for use in reaction.uses:
        call = actor.call(use, values, speaker_id, view.turn.turn_id)
        outcome = await view.perform(call)
        values |= values_of(outcome.result, outcome.args, view.world)
        has_begun_only = outcome.result.reason == STARTED and view.turn.is_ended
        if not outcome.result.ok or has_begun_only or actor.is_gone:
            return Tell(outcome, why={**why, "failed": use.tool})
    scope = npc.scope(view.world, speaker_id=speaker_id)
    step = npc.react(reaction, scope, view.world, view.context.clock.now_s())
    values |= view.values
    lines = actor.carry_out(step, speaker_id, values)
    emotion = reaction.heard.emotion or npc.node.emotion or "neutral"
    said = pick_line(reaction.heard.say, values, npc.rng)
    if said or lines:
        text = " ".join([said, *lines] if said else lines)
        return Say(text, why=why, emotion=emotion)
    if outcome is not None:
        return Tell(outcome, why=why, emotion=emotion)
    actor.run_machine()
    return Pass(reaction.heard.prompt, why=why, emotion=emotion)
