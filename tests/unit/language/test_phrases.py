import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.language.en.phrases import content, thing_asked_for


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("Remember that my name is Bo.", "my name is Bo"),
        ("Please remember: the bridge is out!", "the bridge is out"),
        ("By the way, don't forget that I like dogs.", "I like dogs"),
        ("Keep in mind that strangers came.", "strangers came"),
        ("I was born in the north, remember that.", "I was born in the north"),
        ("Could you please note that Tom owes me?", "Tom owes me"),
        ("Do you remember what I told you about the mill?", "the mill"),
        ("What did I say about my brother?", "my brother"),
        ("Have I told you about my horse?", "my horse"),
        ("My dog is called Rex.", "My dog is called Rex"),
        ("Do you remember?", "Do you remember"),
        ("", ""),
    ],
)
def test_content(text: str, inner: str) -> None:
    assert content(text) == inner


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        ("Do you have any pies?", "pies"),
        ("Would you happen to have a crystal ball for sale?", "crystal ball"),
        ("u got honey cakes?", "honey cakes"),
        ("Have you got it?", ""),
        ("", ""),
    ],
)
def test_thing_asked_for(text: str, thing: str) -> None:
    assert thing_asked_for(text) == thing


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    assert content(text) in text
    thing_asked_for(text)
