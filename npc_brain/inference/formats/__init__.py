"""Chat formats: how each family of models writes conversations, calls and lines."""

from collections.abc import Sequence

from npc_brain.errors import ModelError
from npc_brain.inference.formats.base import ChatFormat
from npc_brain.inference.formats.chatml import ChatMLFormat
from npc_brain.inference.formats.gemma3 import Gemma3Format
from npc_brain.inference.formats.gemma4 import Gemma4Format
from npc_brain.inference.tokenizer import Tokenizer

FORMATS: dict[str, type[ChatFormat]] = {
    ChatMLFormat.name: ChatMLFormat,
    Gemma3Format.name: Gemma3Format,
    Gemma4Format.name: Gemma4Format,
}


def chat_format(
    name: str | None,
    tokenizer: Tokenizer,
    *,
    bos_id: int | None = None,
    stop_ids: Sequence[int] = (),
    thinking_tokens: int = 0,
) -> ChatFormat:
    """The format of that name for a tokenizer.

    `thinking_tokens` above 0 lets the model think before it answers, that many tokens at most.
    Raises ModelError when the format is not known, or the model cannot think.
    """
    if name not in FORMATS:
        raise ModelError(
            f"chat_format is {name!r}, wanted one of {', '.join(FORMATS)}",
            hint="set chat_format in the model directory's model.json",
        )
    form = FORMATS[name](tokenizer, bos_id=bos_id, stop_ids=stop_ids)
    if thinking_tokens and not form.can_think:
        raise ModelError(
            f"a model of the chat format {name} cannot think before it answers",
            hint="leave thinking off, or choose a Gemma 4 model",
        )
    form.thinking_tokens = thinking_tokens
    return form
