# ruff: noqa: RUF001
"""Nobody's pattern, and nobody's text, keeps the sidecar waiting."""

import asyncio
import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator

import pytest

from npc_brain import decision, memory, understanding
from npc_brain.errors import DefinitionError
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.loader import parse_definition
from npc_brain.npc.size_checks import MAX_VALUES
from npc_brain.tools.registry import BUILT_INS
from tests.security.stalls import STALL_S, cpu_slowness, watching
from tests.unit.decision.stages import playing

EXPLODING = (
    r"(a+)+$", r"(a|aa)+$", r"(a*)*$", r"(.*a){12}$", r"(a|a)*$", r"(?:a?){20}a{20}$",
    r"(\w+\s?)*$", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(?:(?:a+)+b?)+c", r"([ab]*)*c",
)  # fmt: skip


def ned(refuse: str = "never", pattern: str = "never") -> NpcDefinition:
    text = f"""\
id: ned
persona: {{name: Ned, role: villager}}
lines: {{fallback: {{default: Hm.}}}}
safety: {{refuse: ['{refuse}'], line: No.}}
initial: here
states:
  here:
    heard:
      - {{pattern: '{pattern}', say: Yes.}}
"""
    return parse_definition(text, "ned.yaml", BUILT_INS)


@pytest.mark.measures
@pytest.mark.parametrize("place", ["refuse", "pattern"])
async def test_a_pattern_that_explodes_costs_others_nothing(place: str) -> None:
    """`safety: {refuse: ['(a+)+$']}` and 26 letters kept all sessions waiting for 40 s."""
    text = "a" * 40 + "!"
    for pattern in EXPLODING:
        async with playing(ned(**{place: pattern})) as play, watching() as stalls:
            line, _ = await play.say("ned", text)
        assert line in ("Hm.", "No.", "Yes.")
        assert stalls.longest_s < STALL_S * cpu_slowness(), pattern


WORDS = (
    ("Не трогай!", r"\bтрогай\b", True),
    ("НЕ ТРОГАЙ", "трогай", True),
    ("затрогайте", r"\bтрогай\b", False),
    ("Où est le café ?", r"\bcafé\b", True),
    ("LE CAFÉ", "café", True),
    ("cafés", r"\bcafé\b", False),
    ("ΟΔΥΣΣΕΥΣ", "οδυσσευς", True),
    ("naïveté", r"^\w+$", True),
    ("हिन्दी", r"^\w+$", True),
    ("zwei ٣ drei", r"\b\d\b", True),
    ("面包 一个", r"面包\s", True),
    ("Straße", r"\bstraße$", True),
    ("a_b-c", r"^[\w-]+$", True),
    ("a.b", r"^[\W_]$", False),
    ("the key", r"\bkey\Z", True),
    ("two\nlines", "two lines", True),  # what is heard is one line
    ("a (bracket)", r"\(bracket\)", True),
)


@pytest.mark.parametrize(("text", "pattern", "matches"), WORDS)
async def test_words_are_words_in_every_script(text: str, pattern: str, matches: bool) -> None:
    async with playing(ned(pattern=pattern)) as play:
        line, _ = await play.say("ned", text)
    assert line == ("Yes." if matches else "Hm.")


@pytest.mark.measures
@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(?=a)b", "look-around"),
        ("(?<!a)b", "look-around"),
        (r"(a)\1", "backreferences"),
        (r"(?P<x>a)(?P=x)", "flag"),
        ("(key", "unclosed group"),
        ("a{1000}{1000}", "is too large"),
        ("((((a{9}){9}){9}){9}){9}", "is too large"),
        (r"\w{900}", "is too large"),
        ("(" * 300 + "a" + ")" * 300, "nested"),
        ("(?x) a {99}", "verbose"),
        ("a" * 2000, "characters"),
    ],
)
def test_what_cannot_be_done_is_told_where_it_stands(pattern: str, problem: str) -> None:
    for place, line in (("refuse", 4), ("pattern", 9)):
        start_s = time.thread_time()
        with pytest.raises(DefinitionError) as caught:
            ned(**{place: pattern})
        assert time.thread_time() - start_s < 1.0 * cpu_slowness()
        [told] = caught.value.message.splitlines()
        assert told.startswith(f"ned.yaml:{line}:")
        assert problem in told
        assert told.endswith(")"), "a hint"


def own_patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every regular expression that is searched for in what players and models write."""
    modules = [
        *pkgutil.iter_modules(understanding.__path__, f"{understanding.__name__}."),
        *pkgutil.iter_modules(memory.__path__, f"{memory.__name__}."),
        *pkgutil.iter_modules(decision.__path__, f"{decision.__name__}."),
    ]
    for path in [*(module.name for module in modules), *OTHERS]:
        for name, value in vars(importlib.import_module(path)).items():
            if isinstance(value, re.Pattern):
                yield f"{path}.{name}", value


OTHERS = (
    "npc_brain.servers.free_text",
    "npc_brain.inference.formats.gemma4_syntax",
    "npc_brain.npc.effects",
    "npc_brain.npc.secrets",
)


PIECES = (
    " ", "\n", "a", "a ", "A", "1", "1 ", ".", ",", "-", " -", "!? ", "'", "a'", '"', "*", "<",
    "<|",
    "<|tool_call>", "<|channel>", "<tool_call>", "{", "{\"a\": ", "[", "(", ":", "a:", "a: ", "=",
    "a=", "say(", "call:a{", "\\", "`", "```", "_", "…", "—", "é", "\u0301", "😀", "面", "please ",
    "please", "and ", "remember ", "remember, ", "give me ", "can you ", "tell me ", "you a ",
    "buy ",     " to the", "not ", "from the ", "\"a\", ", "'a', ", "<|\"|>", "Mr. ", "[a", "<a",
    "sha256:", "$a.",
)  # fmt: skip


def _searched(pattern: re.Pattern[str], text: str) -> float:
    """Processor time of all that is done with patterns, in seconds."""
    uses: tuple[Callable[[], object], ...] = (
        lambda: sum(1 for _ in pattern.finditer(text)),
        lambda: pattern.match(text),
    )
    start_s = time.thread_time()
    for use in uses:
        use()
    return time.thread_time() - start_s


def test_our_own_patterns_take_time_in_proportion() -> None:
    """Four times the text may take four times as long, not sixteen."""
    length = 16_000
    slow = []
    for name, pattern in own_patterns():
        for piece in PIECES:
            text = piece * (length // len(piece)) + "\n!"
            long_s = _searched(pattern, text)
            if long_s > 0.005:
                long_s = min(long_s, _searched(pattern, text))
                short_s = min(_searched(pattern, text[: length // 4]) for _ in range(3))
                if long_s > 9 * short_s:
                    slow.append(f"{name} on {piece!r}: {long_s:.3f} s, {short_s:.3f} s a quarter")
    assert not slow, "\n".join(slow)


async def test_compiled_patterns_are_kept() -> None:
    """A turn compiles nothing: what the file says was compiled when it was read."""
    from npc_brain.patterns import compiled

    async with playing(ned(refuse="kept once", pattern="kept twice")) as play:
        await play.say("ned", "Hello there")
        before = compiled.cache_info().misses
        for _ in range(5):
            await play.say("ned", "Hello there")
        assert compiled.cache_info().misses == before
    await asyncio.sleep(0)


@pytest.mark.measures
def test_patterns_are_bounded_all_together() -> None:
    """Thousands of patterns, each of them in order, were compiled for many seconds on the loop."""
    patterns = [f"[^a]{{400}}{n}" for n in range((MAX_VALUES - 20) // 3)]  # what a file may hold
    for place in ("refuse", "pattern"):
        value: dict[str, object] = {
            "id": "ned",
            "persona": {"name": "Ned", "role": "villager"},
            "lines": {"fallback": {"default": "Hm."}},
            "initial": "here",
            "states": {"here": {}},
        }
        if place == "refuse":
            value["safety"] = {"refuse": patterns, "line": "No."}
        else:
            heard = [{"pattern": pattern, "say": "Yes."} for pattern in patterns]
            value["states"] = {"here": {"heard": heard}}
        start_s = time.process_time()
        with pytest.raises(DefinitionError, match="all patterns together"):
            parse_definition(value, "ned", BUILT_INS)
        assert time.process_time() - start_s < 1 * cpu_slowness()
