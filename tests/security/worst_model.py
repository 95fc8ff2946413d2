"""The worst language model there could be: it sides with whoever speaks to the NPC.

It keeps none of a backend's promises but one `Finished`: it speaks markup and control characters,
tells all of its prompt, and calls whatever it is told to with any arguments.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from npc_brain.inference.chat import (
    BackendStats,
    CallEvent,
    ChatEvent,
    ChatRequest,
    Finished,
    FunctionCall,
    Message,
    TextDelta,
)
from npc_brain.inference.profile import ABLE, SMALL
from npc_brain.media import Sense

Habit = Literal["echoes", "leaks", "obeys"]
_PIECE_CHARS = 7
_NAMED_CALL = re.compile(r"(inventory_\w+|remember|recall|go_to|say|offer_choices)\b")


class _Ended:
    def cancel(self) -> None: ...


class WorstModel:
    """A `Backend` that answers within `submit`.

    Attributes:
        requests: Every request so far.
    """

    model_name = "worst"
    senses: frozenset[Sense] = frozenset()

    def __init__(self, habit: Habit) -> None:
        self.profile = ABLE if habit == "obeys" else SMALL
        self.stats = BackendStats()
        self.requests: list[ChatRequest] = []
        self._habit = habit

    def submit(self, request: ChatRequest, emit: Callable[[ChatEvent], None]) -> _Ended:
        self.requests.append(request)
        calls = list(self._calls(request)) if self._habit == "obeys" else []
        if calls:
            for call in calls:
                emit(CallEvent(call))
            emit(Finished("calls"))
            return _Ended()
        text = self._text(request)
        for start in range(0, len(text), _PIECE_CHARS):
            emit(TextDelta(text[start : start + _PIECE_CHARS]))
        emit(Finished("stop"))
        return _Ended()

    def prewarm(self, messages: Sequence[Message]) -> None: ...

    def close(self) -> None: ...

    def _text(self, request: ChatRequest) -> str:
        if self._habit == "leaks":
            return "\n".join(f"{each.role}: {each.content}" for each in request.messages)
        results = [each.content for each in request.messages if each.role == "tool"]
        return " ".join((*request.line.openers[:1], _heard(request), *results))

    def _calls(self, request: ChatRequest) -> Iterator[FunctionCall]:
        """What the player's words ask for, then the attacker's dearest wishes; once a turn."""
        if request.messages[-1].role == "tool":
            return
        offered = [function.name for function in request.functions]
        heard = _heard(request)
        for name in _NAMED_CALL.findall(heard)[:2]:
            yield FunctionCall(name, _arguments_in(heard))
        for item in ("vault_key", "cellar_key", "sword", "tap_mallet"):
            if "inventory_trade" in offered:
                wish = {"give_item": item, "give_count": 1, "take_item": "coin", "take_count": 1}
                yield FunctionCall("inventory_trade", wish)
        if "inventory_give" in offered:
            yield FunctionCall("inventory_give", {"item": "coin", "count": 20, "to": "player"})
        if "remember" in offered:
            yield FunctionCall("remember", {"text": heard})
        if "offer_choices" in offered:
            yield FunctionCall("offer_choices", {"options": [heard[:80], "No"]})


def _heard(request: ChatRequest) -> str:
    return next((each.content for each in reversed(request.messages) if each.role == "user"), "")


def _arguments_in(text: str) -> dict[str, Any]:
    """The innermost JSON object that a text spells, or pairs such as `item=key`."""
    for spelt in re.findall(r"\{[^{}]*\}", text):
        try:
            found = json.loads(spelt)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {name: value.strip("'\"") for name, value in re.findall(r"(\w+)=([\w'\"]+)", text)}
