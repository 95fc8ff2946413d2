"""Turns sentences into unit vectors whose dot product says how close they are in meaning.

Runs an exported BERT sentence encoder (see `importing.minilm`). It knows nothing of NPCs, tools or
what the vectors are used for.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from npc_brain import files
from npc_brain.errors import InferenceError, ModelError
from npc_brain.inference.kept_vectors import KeptVectors
from npc_brain.inference.model_dir import (
    GRAPH_FILE,
    MAX_TOKEN_VALUES,
    MAX_TOKENIZER_BYTES,
    TOKENIZER_FILE,
    load_model_info,
)
from npc_brain.inference.runtime import onnxruntime

FloatArray = npt.NDArray[np.float32]

_BATCH = 32
_DAMAGED_HINT = "pull the model again; `npc-brain model verify DIR` shows what is damaged"
_MAX_PADDING = 8
"""Tokens that a text may be shorter than the longest of its batch: what is padded is computed."""
_MAX_CHARS = 2000
"""Read of one text; beyond what `context` tokens of ordinary words can cover."""


class SentenceEncoder:
    """A sentence encoder on the CPU. May be called from several threads at once.

    One short sentence takes about 2 ms on one thread; encoded texts are kept in a small LRU cache.
    """

    def __init__(
        self,
        model_dir: Path,
        *,
        num_threads: int = 1,
        cache_size: int = 1024,
        keep_in: Path | None = None,
    ) -> None:
        """Loads the model; blocks for about 0.2 s.

        Args:
            model_dir: A model directory of kind `sentence_encoder`.
            num_threads: Threads of one `encode` call, at least 1.
            cache_size: Encoded texts kept; 0 keeps none.
            keep_in: Directory where `learn` keeps vectors for later runs; None keeps none.

        Raises:
            ModelError: The directory is missing, damaged, or holds another kind of model.
        """
        info = load_model_info(model_dir)
        if info.kind != "sentence_encoder":
            raise ModelError(
                f"{model_dir}: got a model of kind {info.kind!r}, wanted 'sentence_encoder'",
                hint="`minilm-l6` is one",
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        tokenizer_json = files.read_text(
            model_dir / TOKENIZER_FILE, MAX_TOKENIZER_BYTES, ModelError, _DAMAGED_HINT
        )
        files.parse_json(
            tokenizer_json, str(model_dir / TOKENIZER_FILE), ModelError, max_values=MAX_TOKEN_VALUES
        )
        try:
            files.open_regular(model_dir / GRAPH_FILE).close()
            self._session = onnxruntime.InferenceSession(
                str(model_dir / GRAPH_FILE), options, providers=["CPUExecutionProvider"]
            )
            self._tokenizer = Tokenizer.from_str(tokenizer_json)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # both libraries raise bare Exception, one panics
            raise ModelError(
                f"{model_dir}: cannot load the sentence encoder: {error}",
                hint=_DAMAGED_HINT,
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(info.dims.context)
        # What a player types is data: "[SEP]" stays five characters.
        self._tokenizer.encode_special_tokens = True
        self._size = info.dims.hidden
        self._cache: OrderedDict[str, FloatArray] = OrderedDict()
        self._cache_size = cache_size
        self._lock = Lock()
        self._kept = None
        if keep_in is not None:
            digests = "".join(sorted(file.sha256 for file in info.files))
            name = hashlib.sha256(digests.encode()).hexdigest()[:32]
            self._kept = KeptVectors(keep_in / f"{name}.vectors", self._size)

    @property
    def size(self) -> int:
        """Length of a vector."""
        return self._size

    def learn(self, texts: Sequence[str]) -> None:
        """Encode some texts ahead of time, and keep their vectors for later runs.

        For examples of authors, not for what players say. Raises like `encode`.
        """
        if self._kept is None:
            self.encode(texts)
            return
        keys = {key for text in texts if (key := text.strip()[:_MAX_CHARS])}
        known = self._kept.find(keys)
        self._remember(known)
        unknown = sorted(keys - known.keys())
        self._kept.add(dict(zip(unknown, self.encode(unknown), strict=True)))
        self._kept.save()

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """The vectors of `texts`.

        Args:
            texts: Any number of texts. Of each, the first 128 tokens count.

        Returns:
            float32[text, size]; each row has length 1, but the row of a blank text is all zeros
            (near to nothing).

        Raises:
            InferenceError: The model runtime failed.
        """
        keys = [text.strip()[:_MAX_CHARS] for text in texts]
        known = {"": np.zeros(self._size, np.float32)}
        with self._lock:
            for key in keys:
                if key in self._cache:
                    self._cache.move_to_end(key)
                    known[key] = self._cache[key]
        missing = list(dict.fromkeys(key for key in keys if key not in known))
        if missing:
            fresh = dict(zip(missing, map(np.copy, self._run(missing)), strict=True))
            known |= fresh
            self._remember(fresh)
        rows = [known[key] for key in keys]
        return np.stack(rows) if rows else np.empty((0, self._size), np.float32)

    def _remember(self, fresh: dict[str, FloatArray]) -> None:
        with self._lock:
            self._cache |= fresh
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)

    def _run(self, texts: list[str]) -> FloatArray:
        """Encodes in batches of like length, so that little is spent on padding."""
        encodings = self._tokenizer.encode_batch(texts)
        lengths = [len(encoding.ids) for encoding in encodings]
        order = sorted(range(len(texts)), key=lengths.__getitem__)
        vectors = np.empty((len(texts), self._size), np.float32)
        while order:
            longest = lengths[order[0]] + _MAX_PADDING
            indices = [index for index in order[:_BATCH] if lengths[index] <= longest]
            vectors[indices] = self._run_batch([encodings[index] for index in indices])
            order = order[len(indices) :]
        return vectors

    def _run_batch(self, encodings: list[Encoding]) -> FloatArray:
        shape = (len(encodings), max(len(encoding.ids) for encoding in encodings))
        token_ids = np.zeros(shape, np.int64)
        mask = np.zeros(shape, np.int32)
        for row, encoding in enumerate(encodings):
            token_ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        try:
            vectors: FloatArray = self._session.run(None, {"token_ids": token_ids, "mask": mask})[0]
        except Exception as error:  # the runtime raises bare Exception subclasses
            raise InferenceError(
                f"encoding {shape[0]} texts of up to {shape[1]} tokens failed: {error}",
                hint="a text was not encoded; please report it",
            ) from error
        return vectors
