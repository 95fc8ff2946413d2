"""What a completion may be, token by token.

A grammar is llguidance's Lark dialect; the chat formats write one for each turn from the functions
and the line rule. `GrammarCompiler` turns its text into a `Constraint`, which gives token masks and
forced tokens and sees to it that the completion *ends* properly within its budget of tokens.

Lines. A spoken line is made of a list of allowed characters (letters, marks and digits of any
script, spaces, common punctuation), so that markup, control characters, emoji and line breaks
cannot occur. What a model makes up has no quotation marks, which would stay unpaired, and no
brackets, which hold stage directions; words are separated by one space. A sentence ends with one to
three of `.`, `!`, `?` or `…` before a space, or with a full-width one; "Mr.", "Dr." and the like
may go on, as may "3.5".

Endings. Each token is accepted only when the shortest ending known from there still fits in the
budget; otherwise the next token of the ending known before is taken instead. So a function call is
always complete, and a line that reaches its budget stops between two words or within one, but never
within a character. A streamed text cannot be taken back, so there is no cut at the last sentence.
"""

import re
import unicodedata
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher, LLTokenizer

from npc_brain.errors import InferenceError
from npc_brain.inference.chat import LineRule
from npc_brain.inference.tokenizer import Tokenizer

_PUNCTUATION = "'\"’‘“”«»„,;:()-–—%/°€£$¿¡、，：；「」『』"  # noqa: RUF001
_WIDE_SENTENCE_END = "。！？"  # noqa: RUF001
_SENTENCE_END = ".!?…" + _WIDE_SENTENCE_END
_INNER = "'’-/%°€£$、，：；"  # noqa: RUF001
_AFTER = ",;:"
_DASHES = "-–—"  # noqa: RUF001
_OPENING = "'‘’¿¡"  # noqa: RUF001
_ABBREVIATION = r"(Mr|Mrs|Ms|Dr|St)\.|[0-9]\.[0-9]"
_NUM_CACHED_GRAMMARS = 64
_LARGE_VOCABULARY = 100_000
"""From how many tokens on masks are computed ahead. A mask of a spoken line takes 2 ms for 262k
tokens, since no line's state is alike to the one before; for 49k it takes 0.3 ms."""
_CLOSERS = ('"', "}", "]", ",")
"""Texts that bring an open JSON value closer to its end, best first."""

TokenMask = npt.NDArray[np.uint8]
"""uint8[ceil(vocab / 8)]: one bit a token, lowest bit first; 1 is allowed."""


def clean_line(text: str) -> str:
    """`text` without the characters that no spoken line may have, and with single spaces."""
    spaced = (" " if char.isspace() else char for char in text)
    kept = "".join(char for char in spaced if char == " " or _is_speakable(char))
    return re.sub("-{3,}", "--", " ".join(kept.split()))


def _is_speakable(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN" or char in _PUNCTUATION or char in _SENTENCE_END


def line_terminal(line: LineRule) -> str:
    """A Lark terminal's expression for the lines that `line` allows.

    `max_chars` is not in it: the parser of the chat format counts. A counter in the expression
    would make token masks 300 times slower.
    """
    limit = line.max_sentences or None
    openers = [opener for opener in map(clean_line, line.openers) if opener]
    if openers:
        body = "/" + "|".join(_opened(opener, limit) for opener in openers) + "/"
    else:
        body = f"/(?s:{_FIRST}.*)/ & /{_sentences(limit)}/"
    return f"{body} & ~/(?s:.*---.*)/"


def _opened(opener: str, limit: int | None) -> str:
    """An opener and what may follow; never glued to it, so that "costs 5" cannot become 50."""
    rest = _more_sentences(limit)
    if opener[-1].isalnum():
        rest = f"[,;:]?{rest}|{_END}{_more_sentences(_less(limit))}"
    return f"{_escape(opener)}({rest})"


def _more_sentences(limit: int | None) -> str:
    return "" if limit == 0 else f"( ({_sentences(limit)})?)?"


def _sentences(limit: int | None) -> str:
    """1 to `limit` sentences, of which the last may lack its end."""
    before = _less(limit)
    open_ended = f"{_up_to(_FULL_SENTENCE, before)}{_WORDS}({_END}| ?)"
    if before == 0:
        return open_ended
    return f"{open_ended}|{_FULL_SENTENCE}{_up_to(_FULL_SENTENCE, _less(before))}"


def _less(limit: int | None) -> int | None:
    return None if limit is None else limit - 1


def _up_to(expression: str, limit: int | None) -> str:
    return f"({expression})*" if limit is None else f"({expression}){{0,{limit}}}"


def _escape(text: str) -> str:
    """`text` as a part of a regular expression or of a character class."""
    return "".join(c if c.isalnum() or c == " " else f"\\x{{{ord(c):x}}}" for c in text)


_LETTER = r"[\p{L}\p{M}\p{N}]"
_WORD = (
    f"([{_escape(_OPENING)}]?{_LETTER}([\\p{{L}}\\p{{M}}\\p{{N}}{_escape(_INNER)}]|{_ABBREVIATION})*"
    f"[{_escape(_AFTER)}]?|{_ABBREVIATION}|[{_escape(_DASHES)}])"
)
_WORDS = f"{_WORD}( {_WORD})*"
_END = f"[{_escape(_SENTENCE_END)}]{{1,3}}"
_FULL_SENTENCE = f"{_WORDS}({_END} |[{_escape(_WIDE_SENTENCE_END)}])"
_FIRST = f"[{_escape(_OPENING)}]?[\\p{{L}}\\p{{N}}]"


class GrammarCompiler:
    """Makes constraints for one tokenizer; safe to use from several threads.

    Building one takes 0.2 s for 49k tokens and 3 s and 380 MB for 262k: share it.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        stop_ids: Sequence[int],
        vocab_size: int,
        closing_ids: Sequence[int] = (),
    ) -> None:
        """Take the tokens that end a completion, and the width of the logits.

        `closing_ids` are control tokens that bring a completion closer to its end, best first.
        """
        self._size = max(tokenizer.vocab_size, vocab_size)
        self._tokenizer = LLTokenizer(
            tokenizer.constraint_json, n_vocab=self._size, eos_token=list(stop_ids)
        )
        closers = [ids[0] for ids in map(tokenizer.encode, _CLOSERS) if len(ids) == 1]
        self._closers = [*closing_ids, *closers]
        token_bytes = map(tokenizer.token_bytes, range(self._size))
        self._progress = np.fromiter(map(_progress, token_bytes), np.int32, self._size)
        self._prototypes: OrderedDict[str, LLMatcher] = OrderedDict()
        self._lock = Lock()
        is_large = self._size >= _LARGE_VOCABULARY
        self._worker = ThreadPoolExecutor(1, "npc-brain-masks") if is_large else None

    def constrain(self, grammar: str, max_tokens: int) -> "Constraint":
        """A constraint at its start, whose completion has at most `max_tokens` tokens.

        Raises InferenceError when the grammar is wrong, or cannot be completed in `max_tokens`.
        """
        return Constraint(self, self.matcher(grammar), max_tokens)

    def matcher(self, grammar: str) -> LLMatcher:
        """A bare matcher at its start; raises InferenceError when the grammar is wrong."""
        with self._lock:
            prototype = self._prototypes.get(grammar)
            if prototype is not None:
                self._prototypes.move_to_end(grammar)
                return prototype.deep_copy()
        prototype = LLMatcher(self._tokenizer, grammar, log_level=0)
        if prototype.is_error():
            raise InferenceError(f"the grammar of a turn is wrong: {prototype.get_error()}")
        with self._lock:
            self._prototypes[grammar] = prototype
            if len(self._prototypes) > _NUM_CACHED_GRAMMARS:
                self._prototypes.popitem(last=False)
        return prototype.deep_copy()

    def mask_of(self, matcher: LLMatcher) -> TokenMask:
        """The tokens that `matcher` allows now."""
        mask = np.empty(4 * ((self._size + 31) // 32), np.uint8)
        matcher.unsafe_compute_mask_ptr(mask.ctypes.data, mask.nbytes)
        return mask

    def mask_ahead(self, matcher: LLMatcher) -> Future[TokenMask] | None:
        """Begin to compute a mask in another thread, or None where that would gain nothing."""
        if self._worker is None or matcher.is_stopped():
            return None
        return self._worker.submit(self.mask_of, matcher.deep_copy())

    def shortest_ending(self, matcher: LLMatcher, max_tokens: int) -> list[int] | None:
        """Tokens that lead from here to a proper end, or None when they are more than `max_tokens`.

        The shortest that a greedy search finds: close what is open, else take the longest token
        that does not end within a character. `matcher` is left as it was.
        """
        probe = matcher.deep_copy()
        ending: list[int] = []
        while not probe.is_accepting():
            step = probe.compute_ff_tokens() or self._closer(probe)
            ending += step
            if not step or len(ending) > max_tokens or not probe.consume_tokens(step):
                return None
        return ending

    def _closer(self, matcher: LLMatcher) -> list[int]:
        """The token that leads to the end soonest; empty when no token of the vocabulary fits."""
        for token_id in self._closers:
            if matcher.validate_tokens([token_id]):
                return [token_id]
        mask = self.mask_of(matcher)
        allowed = np.flatnonzero(np.unpackbits(mask, count=self._size, bitorder="little"))
        return [int(allowed[self._progress[allowed].argmax()])] if len(allowed) else []


def _progress(token: bytes) -> int:
    """How far a token leads towards an end: its length, or 0 if it ends within a character."""
    for num_left, byte in enumerate(reversed(token[-4:])):
        if byte >= 0xC0:
            num_wanted = 1 + (byte >= 0xE0) + (byte >= 0xF0)
            return len(token) if num_left >= num_wanted else 0
        if byte < 0x80:
            break
    return len(token)


class Constraint:
    """The grammar's state within one completion; one thread at a time.

    Attributes:
        num_tokens: Tokens accepted so far.
        is_cut: Whether a token was refused because the budget would not have sufficed.
    """

    def __init__(self, compiler: GrammarCompiler, matcher: LLMatcher, max_tokens: int) -> None:
        self._compiler = compiler
        self._matcher = matcher
        self._max_tokens = max_tokens
        self.num_tokens = 0
        self.is_cut = False
        self._ahead: Future[TokenMask] | None = None
        ending = compiler.shortest_ending(matcher, max_tokens)
        if ending is None:
            raise InferenceError(
                f"max_tokens is {max_tokens}, which is too few for any completion of this turn",
                hint="allow more tokens, or a spoken line besides the functions",
            )
        self._ending = ending

    @property
    def is_complete(self) -> bool:
        """Whether nothing may follow."""
        return bool(self._matcher.is_stopped())

    def mask(self) -> TokenMask:
        """The tokens that may come next, stop tokens among them where the completion may end."""
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead.cancel():
            return self._compiler.mask_of(self._matcher)
        return ahead.result()

    def accept(self, token_id: int) -> int | None:
        """Take `token_id`, or what has to come instead of it for the completion to end in time.

        `token_id` is one that `mask` allows and not a stop token. Returns the token that was taken,
        or None when the completion has to end here. Raises InferenceError when it is not allowed.
        """
        self._ahead = None
        budget = self._max_tokens - self.num_tokens - 1
        matcher = self._matcher.deep_copy()
        if not matcher.consume_token(token_id):
            raise InferenceError(f"token {token_id} is not allowed here: {matcher.get_error()}")
        ending = self._compiler.shortest_ending(matcher, budget) if budget >= 0 else None
        if ending is not None:
            self._matcher, self._ending = matcher, ending
        else:
            self.is_cut = True
            if not self._ending:
                return None
            token_id, *self._ending = self._ending
            self._matcher.consume_token(token_id)
        self.num_tokens += 1
        return token_id

    def accept_forced(self) -> list[int]:
        """Take all tokens that are without alternative now; they need no model step.

        The mask after them is computed in another thread, while the model works, when it is slow.
        """
        forced: list[int] = self._matcher.compute_ff_tokens()
        if len(forced) > self._max_tokens - self.num_tokens:
            forced = []
        if forced:
            self._matcher.consume_tokens(forced)
            self.num_tokens += len(forced)
            self._ending = self._ending[len(forced) :]
        self._ahead = self._compiler.mask_ahead(self._matcher)
        return forced
