"""Slots of the real decoder, on tiny models with random weights in float32 arithmetic."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from npc_brain.errors import ErrorCode, InferenceError, ModelError
from npc_brain.importing.gguf_import import import_gguf
from npc_brain.inference.decoder import PREFILL_CHUNK, DecoderOptions, Logits
from npc_brain.inference.onnx_decoder import OnnxDecoder
from tests.counts import count
from tests.tiny_gguf import CONTEXT, write_tiny_gguf

NUM_SLOTS = 3
MAX_CONTEXT = 24
TOLERANCE = 1e-4


@pytest.fixture(scope="module", params=["llama", "gemma3"])
def model_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4-bit weights and an output matrix of their own: nothing is rounded on the way."""
    directory = tmp_path_factory.mktemp(request.param)
    kind = gguf.GGMLQuantizationType.Q4_1
    source = write_tiny_gguf(directory / "tiny.gguf", request.param, kind=kind, is_tied=False)
    import_gguf(source, directory / "model")
    return directory / "model"


@pytest.fixture(scope="module")
def decoder(model_dir: Path) -> OnnxDecoder:
    return OnnxDecoder(model_dir, DecoderOptions(num_slots=NUM_SLOTS, max_context=MAX_CONTEXT))


@pytest.fixture(scope="module")
def single(model_dir: Path) -> OnnxDecoder:
    return OnnxDecoder(model_dir, DecoderOptions(max_context=MAX_CONTEXT))


token_ids = st.integers(3, 260)
slots = st.integers(0, NUM_SLOTS - 1)
few = st.integers(0, 5)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("prefill"), slots, st.lists(token_ids, min_size=1, max_size=7)),
        st.tuples(st.just("decode"), st.lists(slots, min_size=1, unique=True), token_ids),
        st.tuples(st.sampled_from(["truncate", "snapshot", "restore"]), slots, few),
    ),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=count(500, 40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=operations)
def test_logits_depend_on_the_tokens_of_a_slot_alone(
    decoder: OnnxDecoder, single: OnnxDecoder, steps: list[tuple[str, Any, Any]]
) -> None:
    """Whatever ran before in whichever slot, logits are those of a fresh run of the same tokens."""
    held = [[3 + slot, 40 + slot, 80 + slot, 120 + slot] for slot in range(NUM_SLOTS)]
    for slot, tokens in enumerate(held):
        decoder.truncate(slot, 0)
        decoder.prefill(slot, tokens)
    snapshot, snapshot_tokens = decoder.snapshot(0, 4), list(held[0])

    def expect(slot: int, logits: Logits) -> None:
        single.truncate(0, 0)
        fresh = single.prefill(0, held[slot])[0]
        np.testing.assert_allclose(logits, fresh, atol=TOLERANCE)

    for kind, where, what in steps:
        if kind == "decode":
            free = [slot for slot in where if len(held[slot]) < MAX_CONTEXT]
            rows: Any = decoder.decode(free, [what] * len(free)) if free else []
            for row, slot in zip(rows, free, strict=True):
                held[slot].append(what)
                expect(slot, row)
        elif kind == "prefill":
            tokens = what[: MAX_CONTEXT - len(held[where])]
            if tokens:
                held[where] += tokens
                expect(where, decoder.prefill(where, tokens)[0])
        elif kind == "truncate":
            length = max(len(held[where]) - what, 0)
            decoder.truncate(where, length)
            del held[where][length:]
        elif kind == "snapshot":
            length = max(len(held[where]) - what, 0)
            snapshot, snapshot_tokens = decoder.snapshot(where, length), held[where][:length]
        else:
            length = max(len(snapshot_tokens) - what, 0)
            decoder.restore(where, snapshot, length)
            held[where] = snapshot_tokens[:length]
        assert [decoder.length(slot) for slot in range(NUM_SLOTS)] == [len(h) for h in held]


def test_all_logits_are_those_of_each_prefix(model_dir: Path) -> None:
    """Over more than one chunk, with the same numbers as one token after the other."""
    decoder = OnnxDecoder(model_dir, DecoderOptions(num_slots=2, max_context=CONTEXT))
    tokens = [int(token) for token in np.random.default_rng(1).integers(3, 260, CONTEXT)]
    all_at_once = decoder.prefill(0, tokens, all_logits=True)
    one_by_one = [decoder.decode([1], [token])[0].copy() for token in tokens]
    np.testing.assert_allclose(all_at_once, one_by_one, atol=TOLERANCE)


def test_prefill_in_chunks(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last chunk is shorter; the logits are those of one call."""
    decoder = OnnxDecoder(model_dir, DecoderOptions(num_slots=2, max_context=CONTEXT))
    tokens = list(range(3, 3 + 30))
    whole = decoder.prefill(0, tokens, all_logits=True)
    monkeypatch.setattr("npc_brain.inference.onnx_decoder.PREFILL_CHUNK", 7)
    assert len(tokens) < PREFILL_CHUNK
    np.testing.assert_allclose(decoder.prefill(1, tokens, all_logits=True), whole, atol=TOLERANCE)
    decoder.truncate(1, 0)
    np.testing.assert_allclose(decoder.prefill(1, tokens), whole[-1:], atol=TOLERANCE)


def test_prefill_logits_are_the_callers_to_keep(decoder: OnnxDecoder) -> None:
    decoder.truncate(0, 0)
    kept = decoder.prefill(0, [5, 6])
    copy = kept.copy()
    decoder.prefill(0, [7, 8])
    decoder.decode([0], [9])
    np.testing.assert_array_equal(kept, copy)


def test_snapshot_tells_its_size(decoder: OnnxDecoder) -> None:
    decoder.truncate(0, 0)
    decoder.prefill(0, [5, 6, 7])
    snapshot = decoder.snapshot(0, 2)
    dims = decoder.info.dims
    assert dims.kv_heads is not None
    assert dims.head_dim is not None
    assert snapshot.num_tokens == 2
    assert snapshot.num_bytes == 2 * 2 * dims.layers * dims.kv_heads * dims.head_dim * 4


def test_snapshot_outlives_its_slot(decoder: OnnxDecoder) -> None:
    decoder.truncate(0, 0)
    wanted = decoder.prefill(0, [5, 6, 7])
    snapshot = decoder.snapshot(0, 2)
    decoder.truncate(0, 0)
    decoder.prefill(0, [100, 101, 102, 103])
    decoder.restore(1, snapshot, 2)
    np.testing.assert_allclose(decoder.prefill(1, [7]), wanted, atol=TOLERANCE)


def test_full_slot_may_be_an_idle_row(decoder: OnnxDecoder) -> None:
    """The padding of a row must fit behind what the runtime believes the slot to hold."""
    for slot in range(NUM_SLOTS):
        decoder.truncate(slot, 0)
        decoder.prefill(slot, [5, 6, 7])
    decoder.prefill(1, [8] * (MAX_CONTEXT - 3))
    full = decoder.snapshot(1, MAX_CONTEXT)
    rows = decoder.decode([0, 2], [9, 9])
    np.testing.assert_allclose(rows[0], rows[1], atol=TOLERANCE)
    for name, kept in decoder.snapshot(1, MAX_CONTEXT).data.items():
        np.testing.assert_array_equal(kept, full.data[name])


def test_context_is_cut_to_what_the_model_has(model_dir: Path) -> None:
    assert OnnxDecoder(model_dir, DecoderOptions(max_context=10_000)).max_context == CONTEXT


@pytest.mark.parametrize("tokens", [[], [-1], [3, 261], [1 << 40]])
def test_bad_token_ids_are_refused(decoder: OnnxDecoder, tokens: list[int]) -> None:
    before = decoder.length(0)
    with pytest.raises(InferenceError):
        decoder.prefill(0, tokens)
    assert decoder.length(0) == before


def test_overflow_is_refused_and_nothing_is_appended(decoder: OnnxDecoder) -> None:
    decoder.truncate(0, 0)
    decoder.truncate(1, 0)
    with pytest.raises(InferenceError, match="holds 0 of 24 positions, got 25 more"):
        decoder.prefill(0, [3] * 25)
    decoder.prefill(0, [3] * 24)
    with pytest.raises(InferenceError, match="slot 0"):
        decoder.decode([1, 0], [3, 3])
    assert (decoder.length(0), decoder.length(1)) == (24, 0)


@pytest.mark.parametrize(("slots", "tokens"), [([0, 0], [3, 3]), ([0], [3, 3]), ([], [])])
def test_decode_wants_one_token_for_each_slot(
    decoder: OnnxDecoder, slots: list[int], tokens: list[int]
) -> None:
    with pytest.raises(InferenceError):
        decoder.decode(slots, tokens)


def test_more_than_is_held_cannot_be_kept(decoder: OnnxDecoder) -> None:
    decoder.truncate(0, 0)
    decoder.prefill(0, [3, 4])
    for call in (decoder.truncate, decoder.snapshot):
        with pytest.raises(InferenceError, match="got length 3, wanted 0 to 2"):
            call(0, 3)
    with pytest.raises(InferenceError, match="wanted 0 to 2"):
        decoder.restore(1, decoder.snapshot(0, 2), 3)


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        OnnxDecoder(tmp_path)
    assert caught.value.code == ErrorCode.MODEL_NOT_FOUND


def test_damaged_graph_is_a_model_error(model_dir: Path, tmp_path: Path) -> None:
    for file in model_dir.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    graph = tmp_path / "model.onnx"
    graph.write_bytes(b"\xff" * graph.stat().st_size)
    with pytest.raises(ModelError, match="cannot be loaded"):
        OnnxDecoder(tmp_path)
