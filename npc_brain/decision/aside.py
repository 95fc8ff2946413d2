"""What a small model may add to a line that states an outcome.

Such a model words well and reasons badly: after "There is none" it may well go on "but I can spare
two". So what it adds is held back until it has been looked at, and left out when it names anything
in the world, counts, promises, or takes back what was said. It is a filter of English words, not an
understanding; models that choose tools themselves are not put through it.
"""

import re
from collections.abc import Sequence

from npc_brain.language.en.words import find_count
from npc_brain.understanding.linking import Mention

_CLAIMS = re.compile(
    r"""\b(?:
        I['’]?ll | I\ will | I\ can | I\ could | I['’]?d | I\ would | I\ have | I['’]?ve | I\ got
        | let\ me | let['’]?s | take | give | sell | buy | trade
        | free | price | costs? | coins? | steps? | east | west | north | south | left | right
        | you | but | however | except | actually | instead | unless | sorry
        | yes | no | not | never
    )\b""",  # noqa: RUF001
    re.IGNORECASE | re.VERBOSE,
)


def is_harmless(text: str, mentions: Sequence[Mention]) -> bool:
    """Whether `text` can follow a stated outcome without changing it.

    `mentions` are what it names of the world.
    """
    return not mentions and find_count(text) is None and _CLAIMS.search(text) is None
