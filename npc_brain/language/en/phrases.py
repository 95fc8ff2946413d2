"""The part of a sentence that carries its content, without what introduces it."""

import re

from npc_brain.language.en.words import in_plain_spelling, split_words

_POLITE = (
    r"(?:(?:please|and|so|but|oh|well|hey|listen|by the way|also|now|then)\b[\s,:;-]*)*"
    r"(?:(?:can|could|will|would) you\s+|i(?:'d| would)? (?:want|need|like) you to\s+)?"
    r"(?:please\s+)?"
)
_REMEMBER = (
    r"(?:(?:always |you (?:should|must) )?(?:remember|memori[sz]e|note|know)|"
    r"(?:don't|do not|never)(?: ever)? forget|(?:keep|bear)(?: it)? in mind|"
    r"(?:make|take) a note|write down|learn by heart)"
    r"(?: (?:of|this|it|for me|down))*[\s,:;-]+(?:that\s+)?"
)
_RECALL = (
    r"(?:(?:do|can|did|have|had|don't|you|i|what|where|who|when|was|is|it|that|still|ever|already|"
    r"again|remind|me)\s+)*"
    r"(?:remember|recall|told|tell|said|say|mention(?:ed)?)\s+"
    r"(?:(?:you|me|to|that|it|what|where|who|when|i|told|tell|said|say|before)\s+)*(?:about\s+)?"
)
_LEAD_IN = re.compile(rf"^\W*{_POLITE}(?:{_REMEMBER}|{_RECALL})?", re.IGNORECASE)
_AFTERTHOUGHT = re.compile(
    r"(?:(?<!\s)\s*+[,;.!-]\s*(?:(?:please )?(?:remember|note|memori[sz]e|don't (?:ever )?forget)"
    r"(?: (?:that|it|this|me))?|do you remember)|(?<![\s,])[\s,]++please)\W*$",
    re.IGNORECASE,
)
_ASKING = frozenset({
    "a", "about", "an", "any", "anything", "are", "at", "available", "be", "buy", "by", "can",
    "carry", "carrying", "check", "chance", "could", "do", "for", "from", "get", "give", "got",
    "had", "happen", "has", "have", "hello", "here", "hey", "hi", "how", "i", "if", "in", "is",
    "it", "i'd", "i'm", "kind", "know", "left", "like", "looking", "many", "maybe", "me",
    "might", "more", "much", "my", "need", "of", "on", "one", "or", "out", "own", "please",
    "sale", "say", "sell", "selling", "shop", "sir", "so", "some", "sort", "spare", "still",
    "stock", "store", "such", "tell", "than", "that", "the", "there", "this", "to", "today", "use",
    "want", "was", "what", "whether", "which", "wish", "with", "wonder", "wondering", "would",
    "yet", "you", "your", "you'd",
})  # fmt: skip
"""Words around the thing in "would you happen to have any … for sale"."""


def content(text: str) -> str:
    """`text` without polite and commanding words around what it says.

    "Please remember that my name is Bo." gives "my name is Bo". The whole text where nothing else
    is left.
    """
    text = text.strip()
    inner = _AFTERTHOUGHT.sub("", _LEAD_IN.sub("", text, count=1)).strip(" .,!?;:\"'")
    return inner or text


def thing_asked_for(text: str) -> str:
    """The words of a question that name what is asked for: "got any pies?" gives "pies".

    Empty when there are none.
    """
    words = [word.lower for word in split_words(in_plain_spelling(text))]
    return " ".join(word for word in words if word not in _ASKING and not word.isdecimal())
