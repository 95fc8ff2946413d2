"""`python -m tests.endurance --minutes N`: hours in the life of a sidecar; 1 on an anomaly."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from tests.endurance.endurance import Options, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    defaults = Options()
    parser.add_argument("--minutes", type=float, default=defaults.minutes)
    parser.add_argument("--npcs", type=int, default=defaults.num_npcs)
    parser.add_argument("--deeds-per-s", type=float, default=defaults.deeds_per_s)
    parser.add_argument("--ping-limit-ms", type=float, default=defaults.ping_limit_ms)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the report there")
    args = parser.parse_args()
    options = Options(
        minutes=args.minutes,
        num_npcs=args.npcs,
        deeds_per_s=args.deeds_per_s,
        ping_limit_ms=args.ping_limit_ms,
        seed=args.seed,
    )
    report = asyncio.run(run(options, lambda line: print(line, flush=True)))
    for name, value in report.values.items():
        if name != "samples":
            print(f"{name}: {json.dumps(value)}")
    for anomaly in report.anomalies:
        print(f"ANOMALY: {anomaly}")
    print("FAILED" if report.anomalies else "all was well")
    if args.json:
        written = {**report.values, "anomalies": report.anomalies}
        args.json.write_text(json.dumps(written, indent=1), encoding="utf-8")
    return 1 if report.anomalies else 0


if __name__ == "__main__":
    sys.exit(main())
