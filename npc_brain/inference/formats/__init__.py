"""Chat formats: how each family of models writes conversations, calls and lines."""

from collections.abc import Sequence

from npc_brain.errors import ModelError
from npc_brain.inference.formats.base import ChatFormat
from npc_brain.inference.formats.chatml import ChatMLFormat
from npc_brain.inference.formats.gemma3 import Gemma3Format
from npc_brain.inference.tokenizer import Tokenizer

FORMATS: dict[str, type[ChatFormat]] = {
    ChatMLFormat.name: ChatMLFormat,
    Gemma3Format.name: Gemma3Format,
}


def chat_format(
    name: str | None,
    tokenizer: Tokenizer,
    *,
    bos_id: int | None = None,
    stop_ids: Sequence[int] = (),
) -> ChatFormat:
    """The format of that name for a tokenizer; raises ModelError when it is not known."""
    if name not in FORMATS:
        raise ModelError(
            f"chat_format is {name!r}, wanted one of {', '.join(FORMATS)}",
            hint="set chat_format in the model directory's model.json",
        )
    return FORMATS[name](tokenizer, bos_id=bos_id, stop_ids=stop_ids)
