"""Recordings of what a model said, and a backend that says it again.

A recording is a file of JSON lines, one for each generation: a digest of what the model was asked,
and its events. It is replayed by digest: a request that is not in the recording, because an NPC
file or a scenario was changed since, fails, so that nothing is passed off as the model's.
"""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from npc_brain import files
from npc_brain.errors import UsageError
from npc_brain.inference.chat import (
    Backend,
    BackendStats,
    CallEvent,
    ChatEvent,
    ChatRequest,
    Finished,
    FunctionCall,
    Generation,
    Message,
    TextDelta,
)
from npc_brain.inference.profile import SMALL, ModelProfile
from npc_brain.media import Sense

MAX_RECORDING_BYTES = 256 * files.MB
_HINT = "make one with --record FILE"


class RecordingBackend:
    """Passes requests on to a real backend and writes down what comes back."""

    def __init__(self, backend: Backend, file: TextIO) -> None:
        self._backend = backend
        self._file = file
        self.model_name = backend.model_name
        self.profile = backend.profile
        self.senses: frozenset[Sense] = backend.senses

    @property
    def stats(self) -> BackendStats:
        """Those of the real one."""
        return self._backend.stats

    def submit(self, request: ChatRequest, emit: Callable[[ChatEvent], None]) -> Generation:
        """See `chat.Backend.submit`."""
        events: list[dict[str, Any]] = []

        def note(event: ChatEvent) -> None:
            events.append(_as_json(event))
            if isinstance(event, Finished):
                entry = {
                    "model": self.model_name,
                    "profile": self.profile.model_dump(),
                    "request": digest(request),
                    "events": events,
                }
                self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            emit(event)

        return self._backend.submit(request, note)

    def prewarm(self, messages: Sequence[Message]) -> object:
        """See `chat.Backend.prewarm`."""
        return self._backend.prewarm(messages)

    def close(self) -> None:
        """Closes the real one."""
        self._backend.close()


class ReplayBackend:
    """Says again what was recorded.

    Attributes:
        num_missing: Requests that the recording does not have.
    """

    def __init__(self, path: Path) -> None:
        """Read a recording; raises UsageError when there is none, or it is damaged."""
        self.stats = BackendStats()
        self.num_missing = 0
        self._recorded: dict[str, deque[list[ChatEvent]]] = {}
        self.model_name, self.profile = "replay", SMALL
        self.senses: frozenset[Sense] = frozenset()
        text = files.read_text(path, MAX_RECORDING_BYTES, UsageError, _HINT)
        try:
            for number, line in enumerate(text.splitlines(), 1):
                entry = files.parse_json(line, f"{path}:{number}", UsageError, _HINT)
                events = [_as_event(event) for event in entry["events"]]
                self._recorded.setdefault(str(entry["request"]), deque()).append(events)
                self.model_name = f"replay of {entry['model']}"
                self.profile = ModelProfile.model_validate(entry["profile"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path}: is not a recording: {error!r}", hint=_HINT) from error

    def submit(self, request: ChatRequest, emit: Callable[[ChatEvent], None]) -> Generation:
        """See `chat.Backend.submit`; everything is emitted at once."""
        recorded = self._recorded.get(digest(request))
        if not recorded:
            self.num_missing += 1
            emit(Finished("error", error="the recording has no such request"))
            return _Ended()
        for event in recorded.popleft() if len(recorded) > 1 else recorded[0]:
            emit(event)
        return _Ended()

    def prewarm(self, messages: Sequence[Message]) -> None:
        """See `chat.Backend.prewarm`; there is nothing to do."""

    def close(self) -> None:
        """There is nothing to free."""


class _Ended:
    def cancel(self) -> None:
        """It has ended already."""


def digest(request: ChatRequest) -> str:
    """What identifies a request: all that a model's answer depends on, but not when it is made."""
    parts = [
        [(m.role, m.content, m.name, [(c.name, c.arguments) for c in m.calls])
         for m in request.messages],
        [(f.name, f.description, f.parameters) for f in request.functions],
        (request.line.is_allowed, request.line.max_chars, request.line.openers,
         request.line.max_sentences),
        (request.sampling.temperature, request.sampling.top_k, request.sampling.top_p,
         request.sampling.repetition_penalty, request.sampling.seed),
        request.max_tokens,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _as_json(event: ChatEvent) -> dict[str, Any]:
    match event:
        case TextDelta(text):
            return {"text": text}
        case CallEvent(call):
            return {"call": call.name, "arguments": call.arguments}
        case Finished():
            return {"finished": event.reason, "error": event.error}


def _as_event(data: dict[str, Any]) -> ChatEvent:
    if "text" in data:
        return TextDelta(str(data["text"]))
    if "call" in data:
        return CallEvent(FunctionCall(str(data["call"]), dict(data["arguments"])))
    return Finished(data["finished"], error=str(data["error"]))
