"""What a model architecture is to the importers: one `Architecture` record.

Everything that depends on the architecture is said in its module below `architectures/`, and read
from the record by whoever needs it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from npc_brain.inference.model_dir import Progress
from npc_brain.inference.profile import SMALL, ModelProfile

if TYPE_CHECKING:  # importing models needs packages that running them does not
    from npc_brain.importing.decoder_spec import DecoderSpec
    from npc_brain.importing.gguf_file import GgufFile
    from npc_brain.importing.published_files import PublishedFiles

COMMON_END_TOKENS = ("<|endoftext|>", "</s>", "<eos>")


class FillFromPublished(Protocol):
    """Writes model `name` into an empty directory; `source` tells people where it is from."""

    def __call__(
        self,
        files: "PublishedFiles",
        model_dir: Path,
        progress: Progress,
        *,
        name: str,
        source: str = "",
    ) -> None:
        """Raises ModelError when the files are damaged or not understood."""
        ...


def chatml_if_known(tokens: Collection[str]) -> str | None:
    """The chat format of models that share an architecture but were tuned by different people."""
    return "chatml" if {"<|im_start|>", "<|im_end|>"} <= set(tokens) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A model architecture.

    Attributes:
        name: What `general.architecture` of GGUF files and `model.json` call it.
        profile: What its models are good for, unless their `model.json` says otherwise.
        chat_format: The name of the chat format for a vocabulary, None when that is not known.
        end_tokens: Tokens that end a completion though a file names only one of them.
        split_patterns: By `tokenizer.ggml.pre`, the regular expression whose matches a byte-level
            vocabulary encodes one by one. "default", "gpt-2" and "smollm" are known anyway.
        has_space_prefix: Whether a SentencePiece vocabulary begins a text with a space, for GGUF
            files that do not say.
        spec: The graph, from a GGUF file's metadata; its tensors are those that the spec names.
        import_gguf: (file, model_dir, progress) makes a model directory in place of `spec`, for a
            graph that `DecoderSpec` cannot describe.
        model_types: What the `config.json` of checkpoints calls it.
        import_checkpoint: (checkpoint, model_dir, progress) makes a model directory from a Hugging
            Face checkpoint.
        fill_from_published: Makes one from published ONNX files.
    """

    name: str
    profile: ModelProfile = SMALL
    chat_format: Callable[[Collection[str]], str | None] = chatml_if_known
    end_tokens: tuple[str, ...] = COMMON_END_TOKENS
    split_patterns: Mapping[str, str] = field(default_factory=dict)
    has_space_prefix: bool = True
    spec: "Callable[[GgufFile], DecoderSpec] | None" = None
    import_gguf: "Callable[[GgufFile, Path, Progress], None] | None" = None
    model_types: tuple[str, ...] = ()
    import_checkpoint: Callable[[Path, Path, Progress], None] | None = None
    fill_from_published: FillFromPublished | None = None
