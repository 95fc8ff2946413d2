"""Reads the words of a language: what players say, and what NPCs say of what came of it.

Each language is a folder: `talk.yaml`, and `tools/TOOL.yaml` for each tool. Give and take are seen
from the NPC: `inventory_give` hands to the player, `inventory_take` accepts from the player.
"""

import re
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from npc_brain.errors import DefinitionError

JUST_TALK = "just_talk"
"""The label of lines that ask for no tool."""

PLACEHOLDERS = frozenset({"item", "place", "person", "object"})
"""`{item}` in an example stands for any name of that kind."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _known(example: str) -> str:
    unknown = sorted({*_PLACEHOLDER.findall(example)} - PLACEHOLDERS)
    if unknown:
        wanted = ", ".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS))
        raise ValueError(f"{{{unknown[0]}}} stands for nothing; there are {wanted}")
    return example


Example = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_known)]
Key = Annotated[str, Field(pattern=r"^[a-z_]{1,48}$")]
Line = Annotated[str, Field(min_length=1, max_length=400)]


class _Words(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolWords(_Words):
    """The words of one tool.

    Attributes:
        examples: Things that a player may say that ask for it; they may have `PLACEHOLDERS`.
        lines: What an NPC says of the outcome: `done`, `started`, `failed`, by a variant of it or
            by a reason. Templates of the values of the outcome.
    """

    examples: tuple[Example, ...] = ()
    lines: dict[Key, tuple[Line, ...]] = {}


class Talk(_Words):
    """Words that belong to no tool.

    Attributes:
        greetings: What players say first.
        just_talk: What players say that asks for no tool; may have `PLACEHOLDERS`.
        outcomes: Lines as in `ToolWords`, for a tool that has none of its own.
    """

    greetings: tuple[Example, ...]
    just_talk: tuple[Example, ...]
    outcomes: dict[Key, tuple[Line, ...]]


class Language:
    """The words of one language. Immutable.

    Attributes:
        tools: By name; a tool of the game has none.
    """

    def __init__(self, talk: Talk, tools: Mapping[str, ToolWords]) -> None:
        self.talk = talk
        self.tools = tools

    @cached_property
    def examples(self) -> Mapping[str, tuple[str, ...]]:
        """What players say by tool, and by `JUST_TALK`."""
        by_tool = {name: words.examples for name, words in self.tools.items() if words.examples}
        return {**by_tool, JUST_TALK: self.talk.just_talk}

    def lines(self, tool: str) -> Mapping[str, tuple[str, ...]]:
        """What an NPC says of a tool's outcome."""
        return self.tools[tool].lines if tool in self.tools else {}


def language(code: str = "en") -> Language:
    """The words of a language. Read once, which takes about 20 ms.

    Raises:
        DefinitionError: A file of words has mistakes, or there is no such language.
    """
    return read_language(Path(__file__).parent / code)


@cache
def read_language(folder: Path) -> Language:
    """Read a language's folder; the same again when it is read before. Raises DefinitionError."""
    if not (folder / "talk.yaml").is_file():
        raise DefinitionError(f"there is no language {folder.name!r}")
    talk = _read(folder / "talk.yaml", Talk)
    paths = sorted(folder.glob("tools/*.yaml"))
    tools = {path.stem: _read(path, ToolWords) for path in paths}
    return Language(talk, tools)


_WordsT = TypeVar("_WordsT", bound=_Words)


def _read(path: Path, model: type[_WordsT]) -> _WordsT:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # not every build of PyYAML has it
    try:
        return model.model_validate(loader(path.read_text("utf-8")).get_single_data())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{path}: {error}") from error
    except ValidationError as error:
        problems = (
            f"{path}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors()
        )
        raise DefinitionError("\n".join(problems)) from error
