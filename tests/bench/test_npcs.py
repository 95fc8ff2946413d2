import pytest

from tests.bench.npcs import run
from tests.pace import slowness


def test_each_case_steps_its_npcs() -> None:
    rows = list(run(num_npcs=60, num_frames=300))
    assert [row["case"] for row in rows] == [
        "village",
        "village, plain dict as peer",
        "an event each frame",
    ]
    assert all(row["num_transitions"] > 20 for row in rows)


@pytest.mark.measures
def test_a_thousand_npcs_keep_up_with_sixty_frames_a_second() -> None:
    """Acceptance 10, loosely, since test machines are shared."""
    (village, *_) = run(num_npcs=1000, num_frames=60)
    assert village["frames_per_s"] > 60 / slowness()
