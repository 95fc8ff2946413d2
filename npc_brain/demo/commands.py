"""What a player types, as commands. Pure: names in, a command or a `Mistake` out."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rapidfuzz import process

HELP = """\
look                   what is around you, what you carry, what there is to do
go PLACE               walk there; people count as places
talk NAME TEXT…        say something to someone (you walk over first)
give [N] ITEM NAME     hand something over
attack NAME            not recommended
wait [SECONDS]         let time pass
save FILE, load FILE   keep a game, take it up again
quit                   leave"""

_SIMILAR = 65.0
"""Of rapidfuzz's 0 to 100: how alike a name must be to be suggested."""
MAX_WAIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Look:
    """Look around."""


@dataclass(frozen=True, slots=True)
class Go:
    """Walk to a place or person."""

    target_id: str


@dataclass(frozen=True, slots=True)
class Talk:
    """Say something to an NPC."""

    npc_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Give:
    """Hand over items."""

    item_id: str
    count: int
    npc_id: str


@dataclass(frozen=True, slots=True)
class Attack:
    """Attack an NPC."""

    npc_id: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Save:
    """Save the game to a file."""

    path: str


@dataclass(frozen=True, slots=True)
class Load:
    """Load the game from a file."""

    path: str


@dataclass(frozen=True, slots=True)
class Help:
    """List the commands."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Leave."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A line that is no command; `text` helps."""

    text: str


Command = Look | Go | Talk | Give | Attack | Wait | Save | Load | Help | Quit


@dataclass(frozen=True, slots=True)
class Names:
    """What players may call things: id by lower-case name or alias."""

    npcs: Mapping[str, str]
    places: Mapping[str, str]
    items: Mapping[str, str]


def names_of(rows: Iterable[tuple[str, Iterable[str]]]) -> dict[str, str]:
    """Id by name, from ids and their names; the first of equal names wins."""
    names: dict[str, str] = {}
    for row_id, row_names in rows:
        for name in (row_id, *row_names):
            names.setdefault(_plain(name), row_id)
    return names


def parse(line: str, names: Names) -> Command | Mistake | None:
    """The command that a line means; None for an empty line or a `#` comment."""
    line = line.strip()
    if not line or line.startswith("#"):
        return None
    verb, _, rest = line.partition(" ")
    rest = rest.strip()
    match verb.lower():
        case "look" | "l":
            return Look()
        case "go" | "walk":
            return _go(rest, names)
        case "talk" | "say" | "ask" | "tell":
            return _talk(rest, names)
        case "give":
            return _give(rest, names)
        case "attack" | "hit":
            npc = _npc(rest, names)
            return npc if isinstance(npc, Mistake) else Attack(npc)
        case "wait":
            return _wait(rest)
        case "save" | "load":
            if not rest:
                return Mistake(f"{verb.lower()} needs a file name: {verb.lower()} alderford.save")
            return Save(rest) if verb.lower() == "save" else Load(rest)
        case "help" | "?":
            return Help()
        case "quit" | "exit" | "q":
            return Quit()
    verbs = ("look", "go", "talk", "give", "attack", "wait", "save", "load", "help", "quit")
    return Mistake(f'There is no command "{verb}".{_did_you_mean(verb, verbs)} Try: help')


def _go(rest: str, names: Names) -> Go | Mistake:
    if not rest:
        return Mistake("Go where? For example: go tavern")
    wanted = _plain(re.sub(r"^to ", "", rest, flags=re.IGNORECASE))
    targets = {**names.npcs, **names.places}
    if wanted in targets:
        return Go(targets[wanted])
    return Mistake(f'You know no place "{rest}".{_did_you_mean(wanted, targets)}')


def _talk(rest: str, names: Names) -> Talk | Mistake:
    if not rest:
        return Mistake("Talk to whom? For example: talk mira Good evening!")
    found = _leading_name(re.sub(r"^to ", "", rest, flags=re.IGNORECASE), names.npcs)
    if found is None:
        return _nobody(rest.split()[0], names)
    npc_id, text = found
    text = text.strip().strip('"“”').strip()
    return Talk(npc_id, text) if text else Mistake("And say what? For example: talk mira Hello!")


def _give(rest: str, names: Names) -> Give | Mistake:
    words = re.sub(r"^(a|an|the|my) ", "", rest, flags=re.IGNORECASE).split()
    count = 1
    if words and re.fullmatch(r"\d{1,6}", words[0]):
        count = int(words.pop(0))
    for split in range(1, len(words)):
        npc_id = names.npcs.get(_plain(" ".join(words[split:])))
        item_words = words[:split]
        if npc_id is None:
            continue
        if item_words[-1].lower() == "to":
            item_words = item_words[:-1]
        what = _plain(" ".join(item_words))
        item_id = names.items.get(what) or names.items.get(what.removesuffix("s"))
        if item_id is None:
            return Mistake(
                f'There is no "{" ".join(item_words)}".{_did_you_mean(what, names.items)}'
            )
        return Give(item_id, count, npc_id) if count else Mistake("Give at least one.")
    if len(words) < 2:
        return Mistake("Give what to whom? For example: give honey cake osric")
    return _nobody(words[-1], names)


def _npc(name: str, names: Names) -> str | Mistake:
    if not name:
        return Mistake("Whom? For example: attack nobody, be kind")
    npc_id = names.npcs.get(_plain(name))
    return npc_id if npc_id is not None else _nobody(name, names)


def _wait(rest: str) -> Wait | Mistake:
    try:
        seconds = float(rest or 5)
    except ValueError:
        return Mistake(f'"{rest}" is no number of seconds. For example: wait 10')
    if not 0 < seconds <= MAX_WAIT_S:
        return Mistake(f"Wait for more than 0 and at most {MAX_WAIT_S:.0f} seconds.")
    return Wait(seconds)


def _leading_name(text: str, names: Mapping[str, str]) -> tuple[str, str] | None:
    """The longest name that `text` begins with, as id, and the rest of the text."""
    words = text.split(" ")
    for length in range(min(len(words), 4), 0, -1):
        npc_id = names.get(_plain(" ".join(words[:length])))
        if npc_id is not None:
            return npc_id, " ".join(words[length:])
    return None


def _nobody(name: str, names: Names) -> Mistake:
    return Mistake(f'There is nobody called "{name}".{_did_you_mean(_plain(name), names.npcs)}')


def _did_you_mean(wanted: str, known: Iterable[str]) -> str:
    found = process.extractOne(wanted.lower(), list(known), score_cutoff=_SIMILAR)
    return f" Did you mean: {found[0]}?" if found else ""


def _plain(name: str) -> str:
    """Lower case, without article, punctuation or doubled spaces."""
    words = re.findall(r"[\w'-]+", name.lower().replace("_", " "))
    if len(words) > 1 and words[0] in ("the", "a", "an"):
        words = words[1:]
    return " ".join(words)
