"""Valid by construction on the real tokenizers: NPCs whose logits are random."""

import pytest

from tests.counts import count
from tests.model.test_decode_loop import load_format
from tests.npc_files import MIRA
from tests.unit.decision.random_minds import run_turns

pytestmark = pytest.mark.model


@pytest.mark.timeout(3000)
async def test_random_logits_make_valid_turns() -> None:
    kinds = await run_turns(load_format("smollm2-135m"), MIRA, count(10_000, 48), seed=6)
    assert kinds["ok"]
    assert kinds["said"]
