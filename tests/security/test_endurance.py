"""A short endurance run, for what does not depend on speed; see `python -m tests.endurance`."""

import math
import sys

import pytest

from tests.endurance.endurance import Options, run


@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="reads what a process holds from /proc")
async def test_a_short_run_has_no_anomalies() -> None:
    options = Options(minutes=0.4, deeds_per_s=10.0, ping_limit_ms=math.inf)
    report = await run(options, print)
    assert report.anomalies == []
    values = report.values
    assert values["num_turns"] == values["num_ended"] + values["num_lost_with_their_game"]
    assert values["num_turns"] > 0
    for kills in ("num_game_kills", "num_server_kills", "num_sidecar_kills"):
        assert values[kills] > 0
