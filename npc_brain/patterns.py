r"""Regular expressions that others wrote: an NPC's author, a scenario's, a game in its schemas.

`re` tries one way after another: 26 letters against `(a+)+$` take it minutes, and nothing else runs
meanwhile. These patterns run on the linear-time engine that pydantic brings (the `regex` crate of
Rust), which tries all ways at once and knows the letters, word ends and case of every script. RE2
does the same for ASCII words only: its `\bcafé\b` never matches.
"""

import re
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

from npc_brain.errors import ErrorCode, NpcBrainError

MAX_PATTERN_CHARS = 1000
MAX_SIZE = 500
"""Characters and classes of a pattern, with what is counted (`{2,9}`) written out. Compiling it, or
searching 2,000 characters for it, then takes at most about 15 ms."""
MAX_TOTAL_SIZE = 5_000
"""Of all patterns of one file: so many that compiling them, or searching for them, takes at most
about 150 ms."""
_WIDE_CLASS = 20
"""Size of a class of many scripts, such as `\\w`, which compiles to some 300 states."""

_TOKEN = re.compile(
    r"\\p\{[^}]*\}|\\x\{[^}]*\}|\\.|\[\^?+\]?+(?:\\.|[^\]\\])*+\]|\{(\d+)?(,)?(\d+)?\}|.", re.DOTALL
)
_WIDE = re.compile(r"\\[dDpPsSwW]")
_VERBOSE = re.compile(r"\(\?[a-zA-Z]*x")
_UNSUPPORTED = (
    "look-ahead, look-behind and back-references are not supported; "
    "in YAML put patterns in 'single quotes'"
)


class PatternError(NpcBrainError):
    """A pattern that cannot be used; the message says why, without its place."""

    default_code = ErrorCode.BAD_USAGE


class Pattern:
    """A pattern, searched for in linear time. Immutable; may be used from several threads.

    Attributes:
        size: As `MAX_SIZE` counts it.
    """

    def __init__(self, text: str, *, ignore_case: bool = False) -> None:
        """Compile a pattern.

        Args:
            text: In the syntax of Python's `re`, without look-around and back-references.
            ignore_case: Whether letters match in either case.

        Raises:
            PatternError: It is no regular expression, too long, or cannot be searched for in time.
        """
        if len(text) > MAX_PATTERN_CHARS:
            raise PatternError(
                f"it has {len(text)} characters, at most {MAX_PATTERN_CHARS} are allowed",
                hint="split it into several patterns",
            )
        if _VERBOSE.search(text):
            raise PatternError("verbose mode (?x) is not supported", hint="write it on one line")
        self.size = _size(text)
        if self.size > MAX_SIZE:
            raise PatternError(
                f"it is too large: its counts written out, it has more than {MAX_SIZE} characters",
                hint="use + or * in place of a large {count}",
            )
        # `\Z`, the very end, is `\z` in the engine's syntax.
        source = re.sub(r"\\(.)", lambda m: r"\z" if m[1] == "Z" else m[0], text, flags=re.DOTALL)
        try:
            self._validator = SchemaValidator(
                core_schema.str_schema(
                    pattern=f"(?i){source}" if ignore_case else source, regex_engine="rust-regex"
                )
            )
        except (SchemaError, ValueError) as error:
            reason = str(error).strip().rpartition("\n")[2].strip()
            reason = reason.removeprefix("SchemaError: ").removeprefix("error: ")
            raise PatternError(reason.rstrip("."), hint=_UNSUPPORTED) from error

    def is_in(self, text: str) -> bool:
        """Whether the pattern matches anywhere in `text`."""
        return self._validator.isinstance_python(text)


@lru_cache(maxsize=256)
def compiled(text: str, *, ignore_case: bool = False) -> Pattern:
    """A `Pattern`, cached; raises PatternError."""
    return Pattern(text, ignore_case=ignore_case)


def _size(text: str) -> int:
    """How long a pattern is with its counted parts written out; never less than that."""
    groups, last = [0], 0
    for token in _TOKEN.finditer(text):
        part = token[0]
        if part == "(":
            groups.append(0)
            last = 0
        elif part == ")" and len(groups) > 1:
            last = groups.pop()
            groups[-1] += last
        elif token[1] or token[3]:
            times = max(int(token[1] or 0) + bool(token[2]), int(token[3] or 0), 1)
            groups[-1] += last * (times - 1)
            last *= times
        elif part not in "*+?|":
            last = _WIDE_CLASS if _WIDE.search(part) else 1
            groups[-1] += last
        if max(groups) > MAX_SIZE:
            break
    return sum(groups)
