r"""Gemma 3: `<bos>`, then turns `<start_of_turn>ROLE\nTEXT<end_of_turn>\n` of `user` and `model`.

Source: Gemma 3's chat template (ai.google.dev, "Gemma formatting and system instructions"). There
is no system role: that text stands before the first user text. Gemma 3 has no format of its own for
calls, so they are JSON in the model's turn. Results come in turns of a role `tool`, which the model
was not trained on; in a user's turn they could be forged by a player who spells them.
"""

from collections.abc import Sequence
from itertools import groupby

from npc_brain.inference.chat import FunctionSchema, Message
from npc_brain.inference.formats.base import Prompt
from npc_brain.inference.formats.json_calls import (
    JsonCallFormat,
    assistant_text,
    declare,
    result_text,
)
from npc_brain.inference.tokenizer import Tokenizer

_ROLES = {"user": "user", "assistant": "model", "tool": "tool"}


class Gemma3Format(JsonCallFormat):
    """See the module."""

    name = "gemma3"

    def __init__(
        self, tokenizer: Tokenizer, *, bos_id: int | None = None, stop_ids: Sequence[int] = ()
    ) -> None:
        """See `ChatFormat`; `<end_of_turn>` always stops, `<bos>` always begins."""
        self._start = tokenizer.control_id("<start_of_turn>")
        self._end = tokenizer.control_id("<end_of_turn>")
        bos_id = tokenizer.control_id("<bos>") if bos_id is None else bos_id
        super().__init__(tokenizer, bos_id=bos_id, stop_ids=[*stop_ids, self._end])

    def render(
        self, messages: Sequence[Message], functions: Sequence[FunctionSchema] = ()
    ) -> Prompt:
        """See `ChatFormat.render`."""
        assert self.bos_id is not None
        system = [message.content for message in messages if message.role == "system"]
        preface = "\n\n".join(text.strip() for text in (*system, declare(functions)) if text)
        turns = self._turns([message for message in messages if message.role != "system"])
        head: list[int] = []
        if preface:
            head = self.tokenizer.encode(f"user\n{preface}\n\n")
            if not turns or turns[0][0] != "user":
                turns.insert(0, ("user", ""))
            turns[0] = ("user", f"{preface}\n\n{turns[0][1]}".strip())
        token_ids = [self.bos_id]
        for role, text in turns:
            body = self.tokenizer.encode(f"{role}\n{text}")
            token_ids += [self._start, *body, self._end, *self.tokenizer.encode("\n")]
        token_ids += [self._start, *self.tokenizer.encode("model\n")]
        stable = [self.bos_id, self._start, *head] if head else []
        return Prompt(tuple(token_ids), _common_prefix(token_ids, stable))

    def _turns(self, messages: Sequence[Message]) -> list[tuple[str, str]]:
        """Neighbouring messages of the same role make one turn, as the model expects."""
        turns = []
        for role, group in groupby(messages, key=lambda message: _ROLES[message.role]):
            write = result_text if role == "tool" else assistant_text
            turns.append((role, "\n".join(write(message).strip() for message in group)))
        return turns


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    pairs = zip(left, right, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))
