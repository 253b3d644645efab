"""Machine code touches nothing outside of its buffers: each lies against pages that nobody may touch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.backends.codegen.borders import rows
from tests.backends.codegen.guarded import Guards, guarded_run
from xir.backends.codegen.compile import compile_graph

ROOT = Path(__file__).resolve().parents[3]
SHARE = 16
"""One case in so many runs with the other tests: all of them take minutes."""
MOST_DEATHS = 10
"""After so many there is enough to mend."""


def guarded(first: int, step: int) -> tuple[str, int, list[str]]:
    """(the last case that was begun, or `done`; its number; what was wrong before) of a process of its own."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.backends.codegen.guarded", str(first), str(step)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in made.stderr.splitlines() if line[:1].isdigit() or line == "done"]
    last = lines[-1] if lines else made.stderr[-2000:]
    number = int(last.split(" ", 1)[0]) if last[:1].isdigit() else -1
    ended = last if last == "done" else f"{last}: exit status {made.returncode}: {made.stderr[-600:]}"
    return ended, number, [": ".join(map(str, json.loads(line))) for line in made.stdout.splitlines()]


@pytest.mark.parametrize("step", [SHARE, pytest.param(1, marks=pytest.mark.nightly)])
def test_no_program_touches_what_is_outside_of_its_buffers(step: int) -> None:
    first, deaths, wrong = 0, [], []
    while len(deaths) < MOST_DEATHS:
        ended, number, found = guarded(first, step)
        wrong += found
        if ended == "done":
            break
        deaths.append(ended)
        first = number + 1
        if number < 0:
            break
    assert (deaths, wrong) == ([], [])


def test_buffers_end_at_a_page_that_kills() -> None:
    """The harness can fail: a read of one byte more than there is ends the process."""
    code = (
        "import ctypes, numpy as np\n"
        "from tests.backends.codegen.guarded import Guards\n"
        "array = Guards({side!r}).array(np.arange(5, dtype=np.float32), filled=True)\n"
        "print(array.tolist(), flush=True)\n"
        "print(ctypes.c_uint8.from_address(array.ctypes.data + {offset}).value)\n"
    )
    for side, offset in (("end", 20), ("begin", -1)):
        made = subprocess.run(
            [sys.executable, "-c", code.format(side=side, offset=offset)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.stdout == "[0.0, 1.0, 2.0, 3.0, 4.0]\n"
        assert made.returncode == -11


def test_what_is_guarded_is_what_the_program_uses() -> None:
    sample = rows(9)
    with compile_graph(sample.graph, threads=1) as compiled:
        want = compiled.run(None, sample.feeds)
        have = guarded_run(compiled, sample.feeds, "end")
    assert all(np.array_equal(a, b) for a, b in zip(want, have.values(), strict=True))


def test_pages_are_given_back() -> None:
    guards = Guards("begin")
    guards.array(np.zeros(3), filled=True)
    guards.free()
    assert guards.pages == []
