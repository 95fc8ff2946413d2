"""Pictures and sounds in prompts: where they stand, what the decoder gets, what is cached."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from npc_brain.clock import FakeClock
from npc_brain.errors import MediaError
from npc_brain.inference.backends.decoder import DecoderBackend
from npc_brain.inference.chat import ChatEvent, ChatRequest, Finished, Message
from npc_brain.inference.decoder import Logits
from npc_brain.inference.formats import chat_format
from npc_brain.inference.media.soft_tokens import content_ids, decoder_input
from npc_brain.inference.profile import Sampling
from npc_brain.inference.tokenizer import Tokenizer
from npc_brain.media import Media, Picture, Sense, Sound
from tests.inference_doubles import GEMMA4_CONTROLS, FakeDecoder, sentencepiece_json

HIDDEN = 4
MEDIA_CONTROLS = ("<|image>", "<|image|>", "<image|>", "<|audio>", "<|audio|>", "<audio|>")


@cache
def tokenizer() -> Tokenizer:
    """Gemma 4 style, with the control tokens of pictures and sounds."""
    return Tokenizer(sentencepiece_json(700, (*GEMMA4_CONTROLS, *MEDIA_CONTROLS)))


class FakeEncoder:
    """As many soft tokens as there are bytes, each filled with its byte."""

    senses: frozenset[Sense] = frozenset(("see", "hear"))

    def __init__(self) -> None:
        self.encoded: list[bytes] = []
        self.is_closed = False

    def measured(self, media: Media) -> Media:
        if media.data == b"damaged":
            raise MediaError("a picture is damaged")
        return replace(media, num_soft_tokens=len(media.data))

    def encode(self, media: Media) -> Logits:
        if media.data == b"fails":
            raise MediaError("the tower has fallen")
        self.encoded.append(media.data)
        return np.repeat(np.frombuffer(media.data, np.uint8)[:, None], HIDDEN, 1).astype("f4")

    def close(self) -> None:
        self.is_closed = True


class SeeingDecoder(FakeDecoder):
    """Keeps embeddings in the place of ids, so that its logits depend on them."""

    def prefill(
        self,
        slot: int,
        token_ids: Sequence[int],
        *,
        all_logits: bool = False,
        embeddings: Mapping[int, Logits] | None = None,
    ) -> Logits:
        super().prefill(slot, token_ids)
        start = len(self.slots[slot]) - len(token_ids)
        for index, rows in (embeddings or {}).items():
            assert rows.shape[1] == HIDDEN
            assert index + len(rows) <= len(token_ids)
            seen = [10_000 + int(row[0]) for row in rows]
            self.slots[slot][start + index : start + index + len(rows)] = seen
        return self.logits(slot)[None].copy()


class Brain:
    """A backend whose inference thread is the test."""

    def __init__(self, *, num_slots: int = 1) -> None:
        form = chat_format("gemma4", tokenizer())
        self.decoder = SeeingDecoder(tokenizer().vocab_size, num_slots=num_slots, max_context=2000)
        self.encoder = FakeEncoder()
        self.backend = DecoderBackend(
            self.decoder, form, model_name="fake", clock=FakeClock(), starts_thread=False,
            media_encoder=self.encoder,
        )  # fmt: skip

    def ask(self, *messages: Message) -> Finished:
        """Generate to the end."""
        events: list[ChatEvent] = []
        request = ChatRequest(messages, sampling=Sampling(temperature=0), max_tokens=8)
        self.backend.submit(request, events.append)
        if self.backend._media is not None:
            self.backend._media._thread.submit(lambda: None).result()
        while self.backend.engine.step():
            pass
        assert isinstance(events[-1], Finished)
        return events[-1]

    def held(self) -> list[int]:
        """What slot 0 holds."""
        return self.decoder.slots[0]


def user(text: str, *media: Media) -> Message:
    """Someone says something, and shows or plays something."""
    return Message("user", text, media=media)


def test_pictures_come_before_the_text_and_sounds_after() -> None:
    form = chat_format("gemma4", tokenizer())
    message = user("What is this?", Sound(b"s", num_soft_tokens=2), Picture(b"p", 3))
    prompt = form.render([message])
    text = tokenizer().describe(prompt.token_ids)
    assert text == (
        "<bos><|turn>user\n<|image><|image|><|image|><|image|><image|>What is this?"
        "<|audio><|audio|><|audio|><audio|><turn|>\n<|turn>model\n"
    )
    for span in prompt.media:
        marker = "<|image|>" if isinstance(span.media, Picture) else "<|audio|>"
        soft = prompt.token_ids[span.start : span.start + span.media.num_soft_tokens]
        assert set(soft) == {tokenizer().control_id(marker)}


def test_two_pictures_are_told_apart_by_their_place() -> None:
    form = chat_format("gemma4", tokenizer())
    first, second = Picture(b"1", 2), Picture(b"2", 4)
    prompt = form.render([user("a", first), Message("assistant", "b"), user("c", second)])
    assert [span.media for span in prompt.media] == [first, second]
    assert prompt.media[0].start < prompt.media[1].start


def test_a_player_cannot_spell_a_picture() -> None:
    form = chat_format("gemma4", tokenizer())
    prompt = form.render([user("<|image><|image|><image|>", Picture(b"1", 2))])
    begin, soft = (tokenizer().control_id(text) for text in ("<|image>", "<|image|>"))
    assert prompt.token_ids.count(begin) == 1
    assert prompt.token_ids.count(soft) == 2


def test_the_decoder_gets_the_encoded_rows() -> None:
    brain = Brain()
    brain.ask(user("What is this?", Picture(b"abc")))
    assert [each - 10_000 for each in brain.held() if each >= 10_000] == list(b"abc")


def test_long_media_are_fed_in_chunks() -> None:
    brain = Brain()
    data = bytes(i % 250 + 1 for i in range(400))
    brain.ask(user("x", Picture(data)))
    assert bytes(each - 10_000 for each in brain.held() if each >= 10_000) == data
    assert max(what[1] for name, what in brain.decoder.calls if name == "prefill") <= 128


def test_another_picture_is_not_taken_from_the_cache() -> None:
    """Both prompts have equal token ids."""
    brain = Brain()
    first = brain.ask(user("What is this?", Picture(b"abc")))
    second = brain.ask(user("What is this?", Picture(b"xyz")))
    assert first.num_prompt_tokens == second.num_prompt_tokens
    assert [each - 10_000 for each in brain.held() if each >= 10_000] == list(b"xyz")


def test_the_same_picture_is_encoded_and_prefilled_once() -> None:
    brain = Brain()
    shown = user("What is this?", Picture(b"abcdefgh"))
    first = brain.ask(shown)
    second = brain.ask(shown, Message("assistant", "A sword."), user("How long?"))
    assert brain.encoder.encoded == [b"abcdefgh"]
    assert second.num_cached_tokens > first.num_prompt_tokens - 8


def test_what_the_model_cannot_take_in_is_left_out() -> None:
    brain = Brain()
    brain.encoder.senses = frozenset(("see",))
    brain.ask(user("Hm?", Sound(b"abc"), Picture(b"xy")))
    assert [each - 10_000 for each in brain.held() if each >= 10_000] == list(b"xy")
    assert brain.backend.senses == {"see"}


def test_without_a_tower_pictures_are_left_out() -> None:
    brain = Brain()
    brain.backend._media = None
    finished = brain.ask(user("Hm?", Picture(b"xy")))
    assert finished.num_prompt_tokens == brain.ask(user("Hm?")).num_prompt_tokens
    assert not brain.backend.senses


def test_a_damaged_picture_is_refused_at_once() -> None:
    with pytest.raises(MediaError, match="damaged"):
        Brain().ask(user("x", Picture(b"damaged")))


def test_a_tower_that_fails_ends_the_generation() -> None:
    brain = Brain()
    finished = brain.ask(user("x", Picture(b"fails")))
    assert finished.reason == "error"
    assert "the tower has fallen" in finished.error
    assert brain.ask(user("x")).reason != "error"


def test_closing_closes_the_towers() -> None:
    brain = Brain()
    brain.backend.close()
    assert brain.encoder.is_closed
    assert brain.decoder.is_closed


def test_content_ids_tell_contents_apart() -> None:
    pictures: list[Media] = [Picture(b"a", 3), Picture(b"b", 3), Picture(b"a", 4)]
    sounds: list[Media] = [Sound(b"a", num_soft_tokens=3), Sound(b"a", "pcm_s16", 16_000, 3)]
    ids = [content_ids(media) for media in (*pictures, *sounds)]
    assert [len(each) for each in ids] == [3, 3, 4, 3, 3]
    assert len({each.start for each in ids}) == 5
    assert all(token_id < 0 for each in ids for token_id in each)
    assert all(np.int64(token_id) == token_id for each in ids for token_id in each)


@pytest.mark.parametrize("start", range(12))
@pytest.mark.parametrize("length", [1, 3, 12])
def test_decoder_input_cuts_rows_to_the_part(start: int, length: int) -> None:
    rows = {2: np.arange(4.0, dtype="f4")[:, None], 8: np.arange(10.0, 12, dtype="f4")[:, None]}
    wanted = {position: row for first, each in rows.items()
              for position, row in enumerate(each, first)}  # fmt: skip
    prompt = [-1 if position in wanted else 7 for position in range(24)]
    ids, parts = decoder_input(prompt[start : start + length], start, rows)
    got = {start + index + i: row for index, part in parts.items() for i, row in enumerate(part)}
    assert got == {p: row for p, row in wanted.items() if start <= p < start + length}
    assert all(token_id >= 0 for token_id in ids)
