import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.understanding.lexical import LexicalEncoder

ENCODER = LexicalEncoder()


@given(st.lists(st.text(max_size=60), max_size=5))
def test_rows_are_unit_or_zero(texts: list[str]) -> None:
    vectors = ENCODER.encode(texts)
    assert vectors.shape == (len(texts), 2048)
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors, axis=1)
    assert all(length == pytest.approx(1, abs=1e-5) or length == 0 for length in lengths)


def test_likeness_follows_spelling() -> None:
    text, near, far = ENCODER.encode(
        ["Where is the mill?", "where's the mill", "Give me two loaves of bread"]
    )
    assert text @ near > 0.4 > text @ far + 0.2


def test_is_the_same_in_every_process() -> None:
    """`hash()` of a string differs from run to run; a scenario's replay must not."""
    assert int(np.abs(ENCODER.encode(["ale"])[0]).argmax()) == 377
