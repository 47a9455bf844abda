"""`make bench`: every benchmark, one table, and `build/bench.json`. See `benchmarks/README.md`.

`python -m benchmarks parts accept` runs those alone.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import asdict
from importlib import import_module

from benchmarks.cold_start import ROOT
from benchmarks.measure import Line, table

ALL = ("cold_start", "accept", "settle", "stack", "growth", "parts", "after_booking")


def main(names: list[str]) -> int:
    """Run the benchmarks of these names, or all."""
    logging.disable(logging.ERROR)  # Any error ends the run anyway.
    begun, lines = time.monotonic(), list[Line]()
    for name in names or ALL:
        print(f"{name} ...", file=sys.stderr, flush=True)
        lines += import_module(f"benchmarks.{name}").run()
    print(table(lines))
    target = ROOT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps([asdict(line) | {"met": line.met} for line in lines], indent=1) + "\n")
    missed = sum(line.met is False for line in lines)
    print(f"\n{len(lines)} lines in {time.monotonic() - begun:.0f} s, {missed} aims missed; also in build/bench.json.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
