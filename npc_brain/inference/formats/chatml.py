r"""ChatML: `<|im_start|>ROLE\nTEXT<|im_end|>\n`, as SmolLM2 and many others use it.

Source: the chat template in SmolLM2-135M-Instruct's GGUF. Unlike that template, no system text is
made up when there is none. Results of calls come in turns of the role `tool`, marked by control
tokens: a player who spells a result stays inside the user's turn.
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


class ChatMLFormat(JsonCallFormat):
    """See the module."""

    name = "chatml"

    def __init__(
        self, tokenizer: Tokenizer, *, bos_id: int | None = None, stop_ids: Sequence[int] = ()
    ) -> None:
        """See `ChatFormat`; `<|im_end|>` always stops."""
        self._start = tokenizer.control_id("<|im_start|>")
        self._end = tokenizer.control_id("<|im_end|>")
        super().__init__(tokenizer, bos_id=bos_id, stop_ids=[*stop_ids, self._end])

    def render(
        self, messages: Sequence[Message], functions: Sequence[FunctionSchema] = ()
    ) -> Prompt:
        """See `ChatFormat.render`; no token stands before the first turn, as in the template."""
        system = [message.content for message in messages if message.role == "system"]
        texts = [text for text in (*system, declare(functions)) if text]
        token_ids = self._turn("system", "\n\n".join(texts)) if texts else []
        num_stable = len(token_ids)
        others = [message for message in messages if message.role != "system"]
        for role, group in groupby(others, key=lambda message: message.role):
            if role == "tool":
                token_ids += self._turn(role, "\n".join(map(result_text, group)))
            else:
                for message in group:
                    token_ids += self._turn(role, assistant_text(message))
        token_ids += [self._start, *self.tokenizer.encode("assistant\n")]
        return Prompt(tuple(token_ids), num_stable)

    def _turn(self, role: str, text: str) -> list[int]:
        body = self.tokenizer.encode(f"{role}\n{text}")
        return [self._start, *body, self._end, *self.tokenizer.encode("\n")]
