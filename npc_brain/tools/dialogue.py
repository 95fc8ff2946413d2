"""The dialogue tools: they change only the conversation and the NPC's memory."""

from typing import Annotated, Literal

from pydantic import Field

from npc_brain.tools import wording
from npc_brain.tools.spec import (
    Arguments,
    Tool,
    ToolContext,
    ToolKind,
    ToolResult,
    refusal,
    schema_of,
)

Emotion = Literal[
    "neutral", "happy", "sad", "angry", "afraid", "surprised", "thoughtful", "laughing"
]
Gesture = Literal["none", "nod", "shake_head", "wave", "point", "bow", "shrug"]


class SayArguments(Arguments):
    """The spoken line."""

    text: Annotated[str, Field(min_length=1, max_length=400)]


class EmoteArguments(Arguments):
    """How the NPC feels, and a gesture."""

    emotion: Emotion
    gesture: Gesture = "none"


class RememberArguments(Arguments):
    """What to remember."""

    text: Annotated[str, Field(min_length=1, max_length=200)]


class RecallArguments(Arguments):
    """What to think of."""

    query: Annotated[str, Field(min_length=1, max_length=120)]


class ChoicesArguments(Arguments):
    """What the player can answer."""

    options: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=80)], ...],
        Field(min_length=2, max_length=4),
    ]


class EndArguments(Arguments):
    """None."""


def _say(ctx: ToolContext, args: SayArguments) -> ToolResult:
    text = f'{ctx.world.name_of(ctx.npc_id)} said: "{args.text}"'
    return ToolResult(ok=True, data={"text": args.text}, text=text)


def _emote(ctx: ToolContext, args: EmoteArguments) -> ToolResult:
    return ToolResult(
        ok=True,
        data={"emotion": args.emotion, "gesture": args.gesture},
        text=f"{ctx.world.name_of(ctx.npc_id)} looks {args.emotion}.",
        emotion=args.emotion,
        gesture=args.gesture,
    )


def _remember(ctx: ToolContext, args: RememberArguments) -> ToolResult:
    ctx.memory.remember(args.text, ctx.speaker_id)
    text = f"{ctx.world.name_of(ctx.npc_id)} will remember it."
    return ToolResult(ok=True, data={"text": args.text}, text=text)


def _recall(ctx: ToolContext, args: RecallArguments) -> ToolResult:
    memories = ctx.memory.recall(args.query)
    npc = ctx.world.name_of(ctx.npc_id)
    if not memories:
        return refusal("nothing_recalled", f"{npc} remembers nothing of that.")
    return ToolResult(
        ok=True, data={"memories": memories}, text=f"{npc} remembers: {'; '.join(memories)}"
    )


def _offer_choices(ctx: ToolContext, args: ChoicesArguments) -> ToolResult:
    if len(set(args.options)) < len(args.options):
        return refusal("bad_arguments", "The options must differ.")
    quoted = [f'"{option}"' for option in args.options]
    text = f"{ctx.world.name_of(ctx.npc_id)} offered {wording.listed(quoted)}."
    return ToolResult(
        ok=True, data={"choices": list(args.options)}, text=text, choices=args.options
    )


def _end_conversation(ctx: ToolContext, args: EndArguments) -> ToolResult:
    text = f"{ctx.world.name_of(ctx.npc_id)} ended the conversation."
    return ToolResult(ok=True, text=text, ends_conversation=True)


TOOLS = (
    Tool(
        name="say",
        kind=ToolKind.DIALOGUE,
        description="Say something aloud.",
        arguments=SayArguments,
        schema=schema_of(SayArguments),
        run=_say,
        can_be_chosen=False,
    ),
    Tool(
        name="emote",
        kind=ToolKind.DIALOGUE,
        description="Show a feeling and make a gesture.",
        arguments=EmoteArguments,
        schema=schema_of(EmoteArguments),
        run=_emote,
    ),
    Tool(
        name="remember",
        kind=ToolKind.DIALOGUE,
        description="Remember something for later.",
        arguments=RememberArguments,
        schema=schema_of(RememberArguments),
        run=_remember,
    ),
    Tool(
        name="recall",
        kind=ToolKind.DIALOGUE,
        description="Recall what you remember of something.",
        arguments=RecallArguments,
        schema=schema_of(RecallArguments),
        run=_recall,
    ),
    Tool(
        name="offer_choices",
        kind=ToolKind.DIALOGUE,
        description="Offer the player a few answers to choose from.",
        arguments=ChoicesArguments,
        schema=schema_of(ChoicesArguments),
        run=_offer_choices,
    ),
    Tool(
        name="end_conversation",
        kind=ToolKind.DIALOGUE,
        description="End the conversation.",
        arguments=EndArguments,
        schema=schema_of(EndArguments),
        run=_end_conversation,
    ),
)
