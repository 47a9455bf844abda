"""How long a cold start takes on the share of a processor that Lambda's memory size buys.

    python -m benchmarks.cold_quota

Lambda runs a process's init on a whole core, and its events on a share: 1,769 MB buy one core
(docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html), as a quota of CPU time in each 20 ms. Here the process
is stopped for the rest of each 20 ms once init is over. Each figure is the best of some runs, because the machine's
other work adds to elapsed time.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.cold_start import KINDS, NAMES, child, rows, unpacked
from benchmarks.stub import stub_dynamodb

MEMORY_MB = (128, 256, 512, 1024, 1769)
_CORE_MB = 1769
"""The memory size that buys one core."""
_PERIOD_SECONDS = 0.02
_UNPREPARED = {"AWS_LAMBDA_FUNCTION_NAME": None}
"""Outside of Lambda a process prepares nothing before its first event."""


def run(rounds: int = 5) -> Iterator[str]:
    """Yield the rows of the table: milliseconds of init, and of the first event for each memory size."""
    with tempfile.TemporaryDirectory() as directory, stub_dynamodb(rows()) as endpoint:
        task, _ = unpacked(Path(directory))
        for kind in KINDS:
            for label, changes in (("", {}), (", nothing prepared", _UNPREPARED)):
                found = [
                    [measure(kind, task, endpoint, memory, changes) for memory in MEMORY_MB] for _ in range(rounds)
                ]
                init = min(start[0] for starts in found for start in starts)
                events = [min(starts[column][1] for starts in found) for column in range(len(MEMORY_MB))]
                yield f"| {NAMES[kind]}{label} | {init:.0f} | {' | '.join(f'{ms:.0f}' for ms in events)} |"


def measure(
    kind: str,
    task: Path,
    endpoint: str,
    memory_mb: int,
    changes: dict[str, str | None],
    packages: Path | None = None,
) -> tuple[float, float]:
    """Return the milliseconds of one init on a whole core, and of the first event on the share of this memory size."""
    command, environment = child(f"{kind}:wait", task, endpoint, packages)
    changed = {name: value for name, value in (environment | changes).items() if value is not None}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=task, env=changed, text=True, **pipes) as process:
        assert process.stdin and process.stdout
        init = json.loads(process.stdout.readline())["init_ms"]
        with throttled(process, min(1.0, memory_mb / _CORE_MB)):
            process.stdin.write("\n")
            process.stdin.flush()
            *_, last = process.stdout
        return init, json.loads(last)["event_ms"]


@contextmanager
def throttled(process: subprocess.Popen[str], share: float) -> Iterator[None]:
    """Let the process run for this share of each period."""
    done = threading.Event()

    def turn() -> None:
        while not done.wait(share * _PERIOD_SECONDS) and process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            time.sleep((1 - share) * _PERIOD_SECONDS)
            process.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=turn)
    if share < 1:
        thread.start()
    try:
        yield
    finally:
        done.set()
        if share < 1:
            thread.join()


def main() -> int:
    """Print the table."""
    print(f"| milliseconds | init | {' | '.join(f'{memory} MB' for memory in MEMORY_MB)} |")
    print(f"|---|{'---|' * (len(MEMORY_MB) + 1)}")
    for row in run():
        print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
