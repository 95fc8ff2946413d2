"""What a chat format is: a model's way to write a conversation, calls and lines.

A format renders messages to token ids, writes the grammar of the next turn, and parses the
completion. All of it works on token ids, so that control tokens and text are never mixed up.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from npc_brain.errors import InferenceError
from npc_brain.inference.chat import ChatEvent, FunctionSchema, LineRule, Message, TextDelta
from npc_brain.inference.grammar import clean_line
from npc_brain.inference.media.soft_tokens import MediaSpan
from npc_brain.inference.tokenizer import Tokenizer

MAX_CALLS_WRITTEN = 4
"""Most calls that a completion can hold."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens for the model.

    Attributes:
        token_ids: The whole prompt, up to where the completion begins.
        num_stable: Of these, the tokens at the start that stay the same between the turns of a
            conversation (persona and functions); worth keeping in the prefix cache.
        media: Where pictures and sounds stand.
    """

    token_ids: tuple[int, ...]
    num_stable: int
    media: tuple[MediaSpan, ...] = ()


class CompletionParser(ABC):
    """Turns one completion into events as its tokens come."""

    is_full = False
    """Whether the line has reached its length limit; the completion should end then."""

    @abstractmethod
    def feed(self, token_id: int) -> list[ChatEvent]:
        """The events that `token_id` completes; the caller does not feed stop tokens."""


class ChatFormat(ABC):
    """A model's chat format.

    Attributes:
        name: As in `chat_format` of `model.json`.
        stop_ids: Tokens that end a completion.
        closing_ids: Control tokens that bring a completion closer to its end, best first.
        can_think: Whether its models can be let think before they answer.
        thinking_tokens: Most tokens that the model may think before it answers, on top of the
            answer's limit; 0 when it does not think.
    """

    name: str
    closing_ids: Sequence[int] = ()
    can_think: bool = False
    thinking_tokens: int = 0

    def __init__(
        self, tokenizer: Tokenizer, *, bos_id: int | None = None, stop_ids: Sequence[int] = ()
    ) -> None:
        """Look up the control tokens; raises ModelError when the tokenizer lacks one."""
        self.tokenizer = tokenizer
        self.bos_id = bos_id
        self.stop_ids = frozenset(stop_ids)

    @abstractmethod
    def render(
        self, messages: Sequence[Message], functions: Sequence[FunctionSchema] = ()
    ) -> Prompt:
        """The prompt for the next assistant turn."""

    @abstractmethod
    def grammar(self, functions: Sequence[FunctionSchema], line: LineRule) -> str:
        """The grammar of the next assistant turn: calls of `functions`, or a spoken line.

        Raises InferenceError when neither is possible or a schema cannot be enforced.
        """

    @abstractmethod
    def parser(self, line: LineRule) -> CompletionParser:
        """A parser for one completion."""


class LineBuffer:
    """Lets a spoken line through piece by piece, up to its length limit.

    A space is held back until something follows it, so that no line ends in one. Of the piece that
    reaches the limit whole words are kept, unless the line would be empty without a part of one.
    """

    def __init__(self, line: LineRule) -> None:
        self._openers = [clean_line(opener) for opener in line.openers]
        self._limit = max([line.max_chars, *map(len, self._openers)])
        self._said = ""
        self._held = ""
        self.is_full = False

    is_full: bool
    """Whether the limit is reached (an opener is never cut, even if it is longer)."""

    def push(self, text: str) -> list[ChatEvent]:
        """The part of the line that can be said now."""
        line = self._said + self._held + text
        end = len(line.rstrip(" "))
        self._held = line[end:]
        if end >= self._limit:
            self.is_full = True
            end = self._cut(line)
        piece, self._said = line[len(self._said) : end], line[:end]
        return [TextDelta(piece)] if piece else []

    def _cut(self, line: str) -> int:
        """Where to end a line that is as long as the limit or longer."""
        if len(line.rstrip(" ")) == self._limit:
            return self._limit
        opened = max((len(o) for o in self._openers if line.startswith(o)), default=0)
        last_space = line.rfind(" ", len(self._said), self._limit + 1)
        return max(len(self._said), opened, last_space) or self._limit


def require_something(functions: Sequence[FunctionSchema], line: LineRule) -> None:
    """Raise InferenceError when a turn could be nothing at all."""
    if not functions and not line.is_allowed:
        raise InferenceError(
            "the turn may neither call a function nor speak",
            hint="offer a function, or allow a line",
        )
