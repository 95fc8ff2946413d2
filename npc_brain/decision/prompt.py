"""From an NPC's persona, situation and transcript to a model's conversation.

The stable part comes first, so that the prefix cache hits: persona, then situation, then what was
said, oldest first, then what is new. Player text only ever becomes the content of a `user` message.
"""

from collections.abc import Sequence

from npc_brain.inference.chat import Message
from npc_brain.inference.profile import ModelProfile
from npc_brain.npc.compile import Node
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.effects import placeholders
from npc_brain.npc.machine import Machine
from npc_brain.npc.npc import Npc

UNHEARD = "(says something)"
"""Stands for what was said when only its sound is known."""
MAX_HISTORY_CHARS = 1500
"""How much of the transcript goes into a prompt; about 400 tokens."""


def persona_text(definition: NpcDefinition) -> str:
    """What the model is told of who it plays. Secrets are left out: it cannot tell them."""
    persona = definition.persona
    parts = [
        f"You are {persona.name}, {persona.role}. You are a character in a game, not an assistant.",
        persona.backstory,
        f"You speak like this: {persona.voice}." if persona.voice else "",
        " ".join(persona.knowledge),
        f"Answer as {persona.name} in {persona.language}, in one or two short sentences."
        " Say only what you would say aloud.",
    ]
    return "\n".join(part.strip() for part in parts if part.strip())


def situation_text(
    definition: NpcDefinition,
    state_prompt: str,
    speaker_id: str | None,
    speaker_name: str,
    instruction: str = "",
) -> str:
    """What the model is told of here and now; changes with the state and the speaker."""
    feeling = definition.relationships.get(speaker_id or "", "")
    parts = [
        state_prompt,
        f"You speak with {speaker_name}. {feeling}".strip() if speaker_id else "",
        instruction,
    ]
    return "\n".join(part.strip() for part in parts if part.strip())


def opening(npc: Npc, profile: ModelProfile, situation: str = "") -> tuple[Message, ...]:
    """How every prompt of an NPC begins: who it is, where it is, how it speaks."""
    system = [persona_text(npc.definition), situation]
    examples = voice_examples(npc.machine, npc.node, profile.num_voice_examples)
    return (*(Message("system", text) for text in system if text), *examples)


def voice_examples(machine: Machine, node: Node, limit: int) -> list[Message]:
    """Exchanges that show the NPC's voice: the author's own reactions that hold at any time.

    They stay the same within a state, so the prefix cache keeps them.
    """
    messages: list[Message] = []
    reactions = (each for name in reversed(node.path) for each in machine.nodes[name].reactions)
    for heard in (reaction.heard for reaction in reactions):
        is_plain = not (heard.guard or heard.do or heard.to or heard.once or heard.wants)
        if is_plain and heard.like and heard.say and not placeholders(heard.say[0]):
            messages += [Message("user", heard.like[0]), Message("assistant", heard.say[0])]
    return messages[: 2 * limit]


def shown_text(caption: str) -> str:
    """What a transcript tells of a picture that the NPC was shown."""
    return f"(shows you a picture: {caption})" if caption else "(shows you a picture)"


def trim_history(history: Sequence[Message], max_chars: int = MAX_HISTORY_CHARS) -> list[Message]:
    """The newest messages that fit into `max_chars`, starting with a user message."""
    kept: list[Message] = []
    room = max_chars
    for message in reversed(history):
        room -= len(message.content)
        if room < 0:
            break
        kept.append(message)
    kept.reverse()
    while kept and kept[0].role != "user":
        kept.pop(0)
    return kept
