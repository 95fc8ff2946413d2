"""What an NPC does and says in a turn: hear, ask the answerers in order, deliver the answer."""

from dataclasses import replace

from npc_brain.decision.answer import Answer, Considered, FallBack, Pass, Say, Tell
from npc_brain.decision.answers import ANSWERERS
from npc_brain.decision.deliver import deliver
from npc_brain.decision.mailbox import Event
from npc_brain.decision.prompt import UNHEARD
from npc_brain.decision.view import TurnView
from npc_brain.npc.machine import HEARD


async def respond(view: TurnView) -> None:
    """Do and say what a turn calls for. Raises TimeoutError when a deadline has passed."""
    request, npc = view.turn.request, view.npc
    emotion = npc.node.emotion or "neutral"
    if request.cause == "state":
        answer: Answer = Say(" ".join(request.lines), emotion=emotion)
    elif request.outcome is not None:
        answer = Tell(request.outcome, emotion=emotion)
    else:
        view.turn.feel(emotion)
        view, answer = await _answer(await _hear(view))
    await deliver(view, answer)
    view.actor.run_machine()


async def _hear(view: TurnView) -> TurnView:
    """Take in what was said, and let the machine react to being spoken to."""
    npc, request = view.npc, view.turn.request
    speaker_id = npc.last_speaker_id = request.speaker_id
    is_first = speaker_id not in npc.met
    npc.met.add(speaker_id or "")
    media = (request.sound,) if request.sound else ()
    npc.transcript.add(speaker_id or "", request.text or UNHEARD, media=media)
    view.actor.raise_event(Event(HEARD, speaker_id=speaker_id))
    mentions = await view.models.mentions(npc, request.text, view.world)
    return replace(view, mentions=tuple(mentions), is_first=is_first)


async def _answer(view: TurnView) -> tuple[TurnView, Answer]:
    """The answer of the first answerer that does not pass."""
    for answerer in ANSWERERS:
        decided = await answerer(view)
        view.turn.trace.append(Considered(answerer.__name__, decided))
        if not isinstance(decided, Pass):
            return view, decided
        view.turn.feel(decided.emotion)
        view = replace(view, instruction=decided.instruction or view.instruction)
    return view, FallBack()
