"""What an NPC's machine has to be told, and what it asks for.

Whoever has news for an NPC puts it here and goes on. `Actor.run_machine` takes the events out, and
the stage begins the turns that were asked for.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from npc_brain.decision.call_outcome import CallOutcome
from npc_brain.media import Sound
from npc_brain.npc.machine import tool_end_event
from npc_brain.vocabulary import Cause
from npc_brain.world.model import Scalar


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an NPC's machine may react to.

    Attributes:
        name: `TOOL_done`, `TOOL_failed`, a built-in event or one of the game's.
        alias: Another name of the event; may be empty.
        data: What guards may read: the arguments of a call and its `reason`, or the game's data.
        speaker_id: With whom the NPC spoke when it came about.
        to_tell: What the NPC is to speak of, unless its machine says something itself.
        to_remember: A sentence for the NPC's transcript; may be empty.
    """

    name: str
    alias: str = ""
    data: Mapping[str, Scalar] = field(default_factory=dict)
    speaker_id: str | None = None
    to_tell: CallOutcome | None = None
    to_remember: str = ""


def call_ended(
    outcome: CallOutcome,
    speaker_id: str | None,
    *,
    to_tell: CallOutcome | None = None,
    to_remember: str = "",
) -> Event:
    """The event of a call that has ended."""
    name, alias = tool_end_event(outcome.tool, is_done=outcome.is_done)
    data = {k: v for k, v in outcome.args.items() if isinstance(v, bool | int | float | str)}
    data["reason"] = outcome.result.reason
    return Event(name, alias, data, speaker_id, to_tell, to_remember)


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """What a turn is about.

    Attributes:
        text: What was heard; empty if the NPC speaks unprompted, or for sound alone.
        sound: What it sounded like, for a model that hears.
        outcome: The ended action that the NPC speaks of.
        lines: Authored lines to say.
    """

    cause: Cause
    speaker_id: str | None = None
    text: str = ""
    sound: Sound | None = None
    outcome: CallOutcome | None = None
    lines: tuple[str, ...] = ()


@dataclass(eq=False, slots=True)
class Mailbox:
    """Of one NPC.

    Attributes:
        events: For its machine, oldest first.
        requests: Turns that its machine asks for, oldest first.
    """

    events: deque[Event] = field(default_factory=deque)
    requests: deque[TurnRequest] = field(default_factory=deque)
