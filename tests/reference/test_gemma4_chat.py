"""Our prompts for Gemma 4 against transformers' `apply_chat_template`, token for token.

The template is our own writing of the published rules (tests/fixtures), since the published file
cannot be had; where a model directory holds a `chat_template.jinja`, that one is compared as well.
Where we differ on purpose, `tests/unit/inference/test_gemma4_format.py` says why.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from npc_brain.cache import cache_dir
from npc_brain.inference.chat import FunctionCall, FunctionSchema, Message
from npc_brain.inference.formats import chat_format
from npc_brain.inference.formats.base import ChatFormat
from npc_brain.inference.tokenizer import Tokenizer
from tests.counts import count
from tests.inference_doubles import GEMMA4_CONTROLS, sentencepiece_json
from tests.jinja_prompts import as_dicts, tools_of

pytest.importorskip("jinja2", reason="the reference needs jinja2")
transformers = pytest.importorskip("transformers", reason="the reference is transformers")

pytestmark = pytest.mark.reference

TEMPLATE = (Path(__file__).parent.parent / "fixtures" / "gemma4_chat_template.jinja").read_text(
    encoding="utf-8"
)
SPEC = sentencepiece_json(700, tuple(GEMMA4_CONTROLS))
FORMS = {
    False: chat_format("gemma4", Tokenizer(SPEC)),
    True: chat_format("gemma4", Tokenizer(SPEC), thinking_tokens=100),
}


def reference(spec: str) -> Any:
    """Transformers' tokenizer of a tokenizer.json."""
    from tokenizers import Tokenizer as HfTokenizer

    hf = HfTokenizer.from_str(spec)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=hf, bos_token="<bos>")


THEIRS = reference(SPEC)


def their_ids(
    messages: list[Message],
    functions: list[FunctionSchema],
    *,
    is_thinking: bool = False,
    template: str = TEMPLATE,
    tokenizer: Any = THEIRS,
) -> list[int]:
    ids: list[int] = tokenizer.apply_chat_template(
        as_dicts(messages),
        tools=tools_of(functions),
        chat_template=template,
        add_generation_prompt=True,
        enable_thinking=is_thinking,
        tokenize=True,
        return_dict=False,
    )
    return ids


def our_ids(form: ChatFormat, messages: list[Message], functions: list[FunctionSchema]) -> Any:
    return list(form.render(messages, functions).token_ids)


# A player's text that spells a control token stays text with us; with transformers it does not.
texts = st.text(st.characters(exclude_characters="<>", exclude_categories=["Cs"]), max_size=20)
keys = st.text("abcXYZ_", min_size=1, max_size=4)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)
descriptions = st.text("abc ", max_size=8).map(str.strip)


def schemas(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    objects = st.builds(
        lambda properties, required: {
            "type": "object",
            "properties": properties,
            "required": [key for key in properties if required],
        },
        st.dictionaries(keys, inner, max_size=3),
        st.booleans(),
    )
    return st.one_of(objects, st.builds(lambda items: {"type": "array", "items": items}, inner))


leaves = st.one_of(
    st.sampled_from([{"type": kind} for kind in ("integer", "number", "boolean", "string")]),
    st.builds(
        lambda words: {"type": "string", "enum": words}, st.lists(texts, min_size=1, max_size=3)
    ),
)
described = st.builds(
    lambda schema, text: {**schema, "description": text} if text else schema, leaves, descriptions
)
functions = st.builds(
    lambda name, text, properties, num_required: FunctionSchema(
        name,
        text,
        {
            "type": "object",
            "properties": properties,
            "required": sorted(properties)[:num_required],
        },
    ),
    st.text("abc_", min_size=1, max_size=6),
    texts,
    st.dictionaries(keys, st.recursive(described, schemas, max_leaves=5), max_size=4),
    st.integers(0, 4),
)
calls = st.builds(FunctionCall, keys, st.dictionaries(keys, values, max_size=3))
lines = st.builds(lambda text: [Message("assistant", f"A{text}")], texts)


@st.composite
def exchanges(draw: st.DrawFn) -> list[Message]:
    messages = [Message("user", draw(texts))]
    for _ in range(draw(st.integers(0, 2))):
        made = tuple(draw(st.lists(calls, min_size=1, max_size=2)))
        messages.append(Message("assistant", calls=made))
        messages += [Message("tool", draw(texts), name=call.name) for call in made]
    return messages + draw(lines)


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    system = [Message("system", draw(texts))] if draw(st.booleans()) else []
    messages = [message for each in draw(st.lists(exchanges(), max_size=3)) for message in each]
    last = draw(exchanges())
    return [*system, *messages, *(last if draw(st.booleans()) else last[:-1])]


@settings(
    max_examples=count(2000, 150), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    messages=conversations(),
    offered=st.lists(functions, max_size=2),
    is_thinking=st.booleans(),
)
def test_prompts_are_those_of_the_template(
    messages: list[Message], offered: list[FunctionSchema], is_thinking: bool
) -> None:
    text = messages[0].content.strip() if messages[0].role == "system" else ""
    if messages[0].role == "system" and not (text or offered or is_thinking):
        return  # an empty system turn says nothing; we leave it out
    theirs = their_ids(messages, offered, is_thinking=is_thinking)
    assert our_ids(FORMS[is_thinking], messages, offered) == theirs


GIVE = FunctionSchema(
    "give_item",
    "Hand an item over",
    {
        "type": "object",
        "properties": {
            "item": {"type": "string", "description": "item id", "enum": ["bread", "key"]},
            "count": {"type": "integer", "description": "how many"},
        },
        "required": ["item"],
    },
)
CONVERSATION = [
    Message("system", "You are Mira, a smith."),
    Message("user", "Bread, please."),
    Message("assistant", calls=(FunctionCall("give_item", {"item": "bread", "count": 2}),)),
    Message("tool", "done", name="give_item"),
    Message("assistant", "Here you are."),
    Message("user", "Thanks!"),
]


def test_the_comparison_can_fail() -> None:
    theirs = their_ids(CONVERSATION, [GIVE], template=TEMPLATE.replace("upper", "lower"))
    assert our_ids(FORMS[False], CONVERSATION, [GIVE]) != theirs


@pytest.mark.parametrize(
    "path",
    sorted(cache_dir().glob("models/*/chat_template.jinja")) or [None],
    ids=lambda path: path.parent.name if path else "no model directory has one",
)
def test_templates_of_models(path: Path | None) -> None:
    """A model directory of Gemma 4 that holds its own template: our prompt is the same."""
    if path is None:
        pytest.skip("no model directory in the cache has a chat_template.jinja")
    info = json.loads((path.parent / "model.json").read_text(encoding="utf-8"))
    if info.get("chat_format") != "gemma4":
        pytest.skip(f"{path.parent.name} has another chat format")
    spec = (path.parent / "tokenizer.json").read_text(encoding="utf-8")
    form = chat_format("gemma4", Tokenizer(spec))
    theirs = their_ids(
        CONVERSATION,
        [GIVE],
        template=path.read_text(encoding="utf-8"),
        tokenizer=reference(spec),
    )
    assert our_ids(form, CONVERSATION, [GIVE]) == theirs
