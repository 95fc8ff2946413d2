r"""Gemma 4: `<bos>`, then turns `<|turn>ROLE\nTEXT<turn|>\n` of `system`, `user` and `model`.

Source: Google's "Gemma 4 prompt formatting" (ai.google.dev) and the chat template for E2B and E4B
in google-ai-edge/LiteRT-LM. Functions are declared inside the system turn, right after its text. A
call and its result stand in one model turn, which then goes on: after a result comes no new turn.

Thinking is switched on by a control token at the start of the system turn. The model then writes
`<|channel>thought\n...<channel|>` before its answer. The parser drops thoughts, so they are neither
spoken nor part of later prompts. With thinking off nothing is added to the prompt: the empty block
of thought that larger models want spoils E2B and E4B (ollama issue 15536).
"""

import json
import re
from collections.abc import Iterator, Sequence

from npc_brain.inference.chat import CallEvent, ChatEvent, FunctionSchema, LineRule, Message
from npc_brain.inference.formats.base import (
    MAX_CALLS_WRITTEN,
    ChatFormat,
    CompletionParser,
    LineBuffer,
    Prompt,
    require_something,
)
from npc_brain.inference.formats.gemma4_grammar import CallRules
from npc_brain.inference.formats.gemma4_syntax import Markers, Piece, Syntax, encode, read_call
from npc_brain.inference.grammar import line_terminal
from npc_brain.inference.media.soft_tokens import MediaSpan
from npc_brain.inference.tokenizer import Tokenizer
from npc_brain.media import Media, Picture, Sound

_THOUGHT_HEAD = "thought\n"
_CLOSING = ("channel_end", "call_end", "quote")
_PICTURE_MARKERS = ("<|image>", "<|image|>", "<image|>")
_SOUND_MARKERS = ("<|audio>", "<|audio|>", "<audio|>")
"""Before, once for each soft token, and after."""
_THOUGHT = re.compile(r"<\|channel>.*?(<channel\|>|\Z)", re.DOTALL)


class Gemma4Format(ChatFormat):
    """See the module."""

    name = "gemma4"
    can_think = True

    def __init__(
        self, tokenizer: Tokenizer, *, bos_id: int | None = None, stop_ids: Sequence[int] = ()
    ) -> None:
        """See `ChatFormat`; the end of a turn and the begin of a result always stop.

        The model writes the latter when it waits for the results of its calls.
        """
        self._markers = Markers.of(tokenizer)
        self._syntax = Syntax(self._markers)
        super().__init__(
            tokenizer,
            bos_id=self._markers.bos if bos_id is None else bos_id,
            stop_ids=[*stop_ids, self._markers.turn_end, self._markers.response],
        )
        self.closing_ids = [getattr(self._markers, name) for name in _CLOSING]

    def render(
        self, messages: Sequence[Message], functions: Sequence[FunctionSchema] = ()
    ) -> Prompt:
        """See `ChatFormat.render`."""
        assert self.bos_id is not None
        system = [message.content for message in messages if message.role == "system"]
        head: list[Piece] = [self.bos_id, *self._system_turn(system, functions)]
        spoken = [message for message in messages if message.role != "system"]
        stable = encode(head, self.tokenizer)
        token_ids = (*stable, *encode(self._turns(spoken), self.tokenizer))
        return Prompt(token_ids, len(stable), tuple(self._spans(token_ids, spoken)))

    def _system_turn(self, texts: list[str], functions: Sequence[FunctionSchema]) -> list[Piece]:
        text = "\n\n".join(stripped for text in texts if (stripped := text.strip()))
        if not (text or functions or self.thinking_tokens):
            return []
        thinking: list[Piece] = [self._markers.think, "\n"] if self.thinking_tokens else []
        declarations = [piece for f in functions for piece in self._syntax.declaration(f)]
        return [
            self._markers.turn,
            "system\n",
            *thinking,
            text,
            *declarations,
            self._markers.turn_end,
            "\n",
        ]

    def _turns(self, messages: Sequence[Message]) -> list[Piece]:
        """All turns after the system's, and the beginning of the model's next one."""
        pieces: list[Piece] = []
        is_open = False
        text = ""
        open_turn: list[Piece] = [self._markers.turn, "model\n"]
        close_turn: list[Piece] = [self._markers.turn_end, "\n"]
        for message in messages:
            if text and message.role != "tool":
                pieces += [text, *close_turn]
                is_open, text = False, ""
            if message.role == "user":
                pieces += close_turn * is_open
                is_open = False
                pieces += [self._markers.turn, "user\n", *self._said(message), *close_turn]
                continue
            pieces += open_turn * (not is_open)
            is_open = True
            if message.role == "tool":
                pieces += self._syntax.response(message.name, message.content)
                continue
            pieces += [piece for call in message.calls for piece in self._syntax.call(call)]
            text = _THOUGHT.sub("", message.content).strip()
            if not message.calls and not text:
                pieces += close_turn
                is_open = False
        if text:
            pieces += [text, *close_turn]
            is_open = False
        return pieces + open_turn * (not is_open)

    def _said(self, message: Message) -> list[Piece]:
        """Pictures, then the text, then sounds: the order that Google advises."""
        pictures = [each for each in message.media if isinstance(each, Picture)]
        sounds = [each for each in message.media if isinstance(each, Sound)]
        return [
            *(piece for each in pictures for piece in self._soft(each)),
            message.content.strip(),
            *(piece for each in sounds for piece in self._soft(each)),
        ]

    def _soft(self, media: Media) -> list[Piece]:
        begin, soft, end = map(self.tokenizer.control_id, _markers_of(media))
        return [begin, *[soft] * media.num_soft_tokens, end]

    def _spans(self, token_ids: Sequence[int], messages: Sequence[Message]) -> Iterator[MediaSpan]:
        """Where the media of `messages` stand; nothing else makes their control tokens."""
        media = [each for message in messages for each in message.media if message.role == "user"]
        for kind in (Picture, Sound):
            start = 0
            for each in media:
                if isinstance(each, kind):
                    begin = self.tokenizer.control_id(_markers_of(each)[0])
                    start = token_ids.index(begin, start) + 1
                    yield MediaSpan(start, each)

    def grammar(self, functions: Sequence[FunctionSchema], line: LineRule) -> str:
        """See `ChatFormat.grammar`."""
        require_something(functions, line)
        rules: list[str] = []
        if line.is_allowed:
            rules.append(f"LINE: {line_terminal(line)}")
        if functions:
            calls = CallRules(self._markers.quote)
            names = " | ".join([calls.call(function) for function in functions])
            call = f"<[{self._markers.call}]> ({names}) <[{self._markers.call_end}]>"
            rules += [f"calls: call{{1,{MAX_CALLS_WRITTEN}}}", f"call: {call}", *calls.rules]
        answer = " | ".join(["LINE"] * line.is_allowed + ["calls"] * bool(functions))
        start = answer
        if self.thinking_tokens:
            start = f"thought? ({answer})"
            rules.append(self._thought_rule())
        return "\n".join([f"start: {start}", *rules])

    def _thought_rule(self) -> str:
        """A thought of bounded length: any tokens but control tokens."""
        length = max(1, self.thinking_tokens - len(self.tokenizer.encode(_THOUGHT_HEAD)) - 2)
        controls = {*self.tokenizer.control_ids.values(), *self.stop_ids}
        return (
            f"thought: <[{self._markers.channel}]> {json.dumps(_THOUGHT_HEAD)} "
            f"<[^{_ranges(controls)}]>{{0,{length}}} <[{self._markers.channel_end}]>"
        )

    def parser(self, line: LineRule) -> CompletionParser:
        """See `ChatFormat.parser`."""
        return Gemma4Parser(self.tokenizer, self._markers, line)


class Gemma4Parser(CompletionParser):
    """Tells thoughts, calls and the line apart by their control tokens."""

    def __init__(self, tokenizer: Tokenizer, markers: Markers, line: LineRule) -> None:
        self._tokenizer = tokenizer
        self._markers = markers
        self._stream = tokenizer.stream()
        self._line = LineBuffer(line)
        self._call_ids: list[int] | None = None
        self._is_thinking = False

    @property
    def is_full(self) -> bool:  # type: ignore[override]
        """See `CompletionParser.is_full`."""
        return self._line.is_full

    def feed(self, token_id: int) -> list[ChatEvent]:
        """See `CompletionParser.feed`; a call that is not complete is dropped."""
        markers = self._markers
        if self._is_thinking:
            self._is_thinking = token_id != markers.channel_end
        elif token_id == markers.channel:
            self._is_thinking = True
        elif token_id == markers.call:
            self._call_ids = []
        elif self._call_ids is None:
            text = self._stream.push(token_id)
            return self._line.push(text) if text else []
        elif token_id != markers.call_end:
            self._call_ids.append(token_id)
        else:
            call_ids, self._call_ids = self._call_ids, None
            return [CallEvent(read_call(call_ids, self._tokenizer, markers.quote))]
        return []


def _markers_of(media: Media) -> tuple[str, str, str]:
    return _PICTURE_MARKERS if isinstance(media, Picture) else _SOUND_MARKERS


def _ranges(token_ids: set[int]) -> str:
    """`token_ids` as llguidance writes sets of tokens: `0-4,46-52`."""
    ordered = sorted(token_ids)
    ranges: list[list[int]] = []
    for token_id in ordered:
        if ranges and token_id == ranges[-1][1] + 1:
            ranges[-1][1] = token_id
        else:
            ranges.append([token_id, token_id])
    return ",".join(f"{low}-{high}" for low, high in ranges)
