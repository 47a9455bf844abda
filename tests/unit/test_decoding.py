"""Many threads may decode at once, also the first time that a process sees a struct."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from chalicelib.decoding import convert_value, decode_json
from chalicelib.domain.settlement import Settlement

ROOT = Path(__file__).parents[2]
RACE = """
import sys, threading
from msgspec import defstruct
from chalicelib.decoding import decode_json, convert_value

sys.setswitchinterval(1e-6)


def decode_at_once(outer, middle, barrier):
    barrier.wait()
    for _ in range(3):
        decode_json(b'{"items": [{"inner": {"value": 1}}]}', outer)
        convert_value({"inner": {"value": 1}}, middle)


for _ in range(60):
    inner = defstruct("Inner", [("value", int)])
    middle = defstruct("Middle", [("inner", inner)])
    outer = defstruct("Outer", [("items", list[middle])])
    barrier = threading.Barrier(8)
    threads = [threading.Thread(target=decode_at_once, args=(outer, middle, barrier)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_that_see_a_struct_for_the_first_time_do_not_end_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", RACE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_value_is_decoded_as_its_type() -> None:
    assert decode_json("{}", Settlement) == convert_value({}, Settlement) == Settlement()
    assert decode_json("[1]", tuple[int, ...]) == (1,)


def test_no_other_module_decodes_into_a_type() -> None:
    unsafe = re.compile(r"msgspec\.convert\(|json\.Decoder\(|json\.decode\([^\n]*type=")
    modules = [*(ROOT / "chalicelib").rglob("*.py"), *(ROOT / "infra").rglob("*.py"), ROOT / "app.py"]
    found = {str(path.relative_to(ROOT)) for path in modules if unsafe.search(path.read_text(encoding="utf-8"))}
    assert found == {"chalicelib/decoding.py"}
