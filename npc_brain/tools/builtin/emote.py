"""A feeling and a gesture, which mark the line."""

from typing import Literal

from npc_brain.tools.spec import Arguments, Tool, ToolContext, ToolKind, ToolResult, schema_of

Emotion = Literal[
    "neutral", "happy", "sad", "angry", "afraid", "surprised", "thoughtful", "laughing"
]
Gesture = Literal["none", "nod", "shake_head", "wave", "point", "bow", "shrug"]


class EmoteArguments(Arguments):
    """How the NPC feels, and a gesture."""

    emotion: Emotion
    gesture: Gesture = "none"


def _run(ctx: ToolContext, args: EmoteArguments) -> ToolResult:
    return ToolResult(
        ok=True,
        data={"emotion": args.emotion, "gesture": args.gesture},
        text=f"{ctx.world.name_of(ctx.npc_id)} looks {args.emotion}.",
        emotion=args.emotion,
        gesture=args.gesture,
    )


TOOL = Tool(
    name="emote",
    kind=ToolKind.DIALOGUE,
    description="Show a feeling and make a gesture.",
    arguments=EmoteArguments,
    schema=schema_of(EmoteArguments),
    run=_run,
)
