"""The team of threads: the same bits for any number of them, never a wait for a busy team, no thread left behind."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.models import feed, layered
from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.engine import assemble, host
from xir.backends.codegen.llvm.meet import meet_text, team_code
from xir.errors import UsageError
from xir.reference import run
from xir.runtime import team as team_module
from xir.runtime.executable import Executable
from xir.runtime.program import HostCall, Stretch, is_small
from xir.runtime.team import Team, TeamCode, shared_team

ROOT = Path(__file__).resolve().parents[2]


def tasks() -> set[str]:
    """The threads of the process; those of teams that nobody knows any more have ended."""
    gc.collect()
    return set(os.listdir("/proc/self/task"))


def ended(before: set[str]) -> bool:
    """Waits a while until there are no other threads than before.

    The kernel wakes who waits in pthread_join(3) before it takes the thread's folder away (clear_child_tid in
    set_tid_address(2)), on a busy machine long before.
    """
    pause = threading.Event()
    for _ in range(5000):
        if tasks() <= before:
            return True
        pause.wait(0.001)
    return False


@pytest.fixture(scope="module")
def code() -> TeamCode:
    return team_code()


@pytest.fixture
def team(code: TeamCode) -> Team:
    return Team(code)


@pytest.fixture(scope="module")
def model() -> Executable:
    return compile_graph(layered(), threads=1)


def with_threads(model: Executable, team: Team, threads: int) -> Executable:
    """The same program for any number of threads, whatever this machine has."""
    return Executable(model.program, team, threads)


COUNTING = f"""{meet_text("x86_64")}
define void @count(ptr %table, ptr %sizes, i64 %worker, i64 %workers, ptr %team) {{
  br label %round
round:
  %i = phi i64 [ 0, %0 ], [ %next, %round ]
  %mine = getelementptr i64, ptr %table, i64 %worker
  %old = load i64, ptr %mine
  %one = add i64 %old, 1
  store i64 %one, ptr %mine
  call void @meet(ptr %team, i64 %workers)
  %other = add i64 %worker, 1
  %around = urem i64 %other, %workers
  %place = getelementptr i64, ptr %table, i64 %around
  %theirs = load i64, ptr %place
  %late = icmp ne i64 %theirs, %one
  %wrong = zext i1 %late to i64
  %p = getelementptr i64, ptr %sizes, i64 %worker
  %before = load i64, ptr %p
  %after = add i64 %before, %wrong
  store i64 %after, ptr %p
  call void @meet(ptr %team, i64 %workers)
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, 300
  br i1 %more, label %round, label %end
end:
  ret void
}}
"""
"""Each worker counts, meets, and looks whether its neighbour has counted as far: `sizes` counts those that have not."""


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_nobody_passes_a_meeting_before_all_are_there(team, workers):
    made = assemble(COUNTING, host())
    counts, late = np.zeros((2, 8), np.int64)
    for _ in range(3):
        assert team.run(made.address("count"), counts.ctypes.data, late.ctypes.data, workers)
    assert counts.tolist() == [900] * workers + [0] * (8 - workers)
    assert not late.any()


def test_workers_of_a_large_stretch_may_sit_out_a_small_one(team):
    made = assemble(COUNTING, host())
    counts, late = np.zeros((2, 8), np.int64)
    for workers in (4, 2, 4, 3, 2):
        counts[:] = 0
        assert team.run(made.address("count"), counts.ctypes.data, late.ctypes.data, workers)
        assert counts.tolist() == [300] * workers + [0] * (8 - workers)
    assert not late.any()


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_the_bits_do_not_depend_on_the_number_of_threads(model, team, threads):
    x = feed()
    alone = model(x)[0]
    np.testing.assert_allclose(alone, run(layered(), {"x": x})["y"], rtol=1e-4, atol=1e-6)
    several = with_threads(model, team, threads)
    for _ in range(5):
        assert several(x)[0].tobytes() == alone.tobytes()
    assert team.threads == threads - 1


def test_many_callers_at_once(model, team):
    several = with_threads(model, team, 3)
    feeds = [feed(seed=seed) for seed in range(8)]
    expected = [model(x)[0].tobytes() for x in feeds]
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(lambda x: several(x)[0].tobytes(), x) for _ in range(10) for x in feeds]
        assert [future.result() for future in futures] == expected * 10
    assert team.threads == 2


def test_a_call_that_finds_the_team_busy_runs_alone(model, team):
    several = with_threads(model, team, 2)
    assert team._members.busy.acquire(blocking=False)
    try:
        result = several(feed())[0]
    finally:
        team._members.busy.release()
    assert result.tobytes() == model(feed())[0].tobytes()
    assert team.threads == 0


def test_a_call_within_a_call(model, team):
    """What the host runs between two stretches may call models, too."""
    inner = with_threads(model, team, 2)
    program = inner.program
    stretch = program.steps[0]
    assert isinstance(stretch, Stretch)
    results = []
    nested = HostCall("nested", lambda given, sizes: results.append(inner(feed(seed=3))[0]) or (), (), ())
    outer = Executable(replace(program, steps=(stretch, nested)), team, 2)
    assert outer(feed())[0].tobytes() == model(feed())[0].tobytes()
    assert results[0].tobytes() == model(feed(seed=3))[0].tobytes()


def test_small_work_is_not_shared(team):
    small = compile_graph(layered(rows=1, layers=1), threads=1)
    assert [is_small(step.work, {}) for step in small.program.steps if isinstance(step, Stretch)] == [True]
    Executable(small.program, team, 2)(feed(rows=1))
    assert team.threads == 0


def test_closing_ends_the_threads_and_a_later_call_has_new_ones(model, team):
    before = tasks()
    several = with_threads(model, team, 3)
    several(feed())
    assert len(tasks() - before) == 2
    team.close()
    assert ended(before)
    several(feed())
    assert len(tasks() - before) == 2
    team.close()
    assert ended(before)


def test_threads_end_when_nobody_refers_to_the_team(model, code):
    before = tasks()
    team = Team(code)
    several = with_threads(model, team, 2)
    several(feed())
    assert len(tasks() - before) == 1
    del team
    several.close()
    assert ended(before)


def test_a_closed_model_refuses_calls(model, team):
    with with_threads(model, team, 2) as several:
        several(feed())
    with pytest.raises(UsageError, match="closed"):
        several(feed())
    assert "closed" in repr(several)


def test_one_team_in_a_process(code):
    first = shared_team(lambda: code)
    assert shared_team(lambda: pytest.fail("a second team")) is first


def test_where_no_thread_can_be_made_the_call_runs_alone(model, team, monkeypatch):
    class Poor:
        def pthread_create(self, *_: object) -> int:
            return 11  # EAGAIN

    monkeypatch.setattr(team_module.ctypes, "CDLL", lambda _: Poor())
    assert with_threads(model, team, 2)(feed())[0].tobytes() == model(feed())[0].tobytes()
    assert team.threads == 0


def test_workers_leave_signals_to_the_interpreter(model, team):
    with_threads(model, team, 2)(feed())
    names = {path.parent: path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")}
    (worker,) = [folder for folder, name in names.items() if name == "xir-worker"]
    line = next(line for line in (worker / "status").read_text().splitlines() if line.startswith("SigBlk"))
    blocked = int(line.split()[1], 16)
    assert blocked >> (signal.SIGINT - 1) & 1
    assert not blocked >> (signal.SIGSEGV - 1) & 1
    team.close()


def test_a_forked_process_makes_its_own_team(model, team):
    several = with_threads(model, team, 2)
    expected = several(feed())[0].tobytes()
    office = team_module._office()
    office._team = lambda: team
    child = os.fork()
    if child == 0:
        status = 1
        try:
            same = team.threads == 0 and several(feed())[0].tobytes() == expected
            status = 0 if same and team.threads == 1 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert several(feed())[0].tobytes() == expected
    assert team.threads == 1


def test_a_process_forked_off_while_the_team_is_busy(model, team):
    office = team_module._office()
    office._team = lambda: team
    several = with_threads(model, team, 2)
    expected = several(feed())[0].tobytes()
    with team._members.busy, office._lock:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if several(feed())[0].tobytes() == expected and shared_team(lambda: team_code()) else 2
            finally:
                os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


PROGRAM = """
import os, sys, threading, atexit
from tests.runtime.models import feed, layered
from xir.backends.codegen.compile import compile_graph
from xir.runtime.executable import Executable
from xir.runtime.team import shared_team
from xir.backends.codegen.llvm.meet import team_code
made = compile_graph(layered())
print(made.threads)
model = Executable(made.program, shared_team(team_code), 2)
x = feed()
model(x)
"""
"""A process with a team of two, whatever the machine has."""

ENDINGS = {
    "the end": "",
    "sys.exit": "sys.exit(0)",
    "a call at exit": "atexit.register(lambda: model(x)); import weakref; weakref.finalize(made, lambda: None)",
    "a thread that nobody joins": """
def for_ever():
    while True:
        model(x)
threading.Thread(target=for_ever, daemon=True).start()
""",
    "os._exit": "sys.stdout.flush(); os._exit(0)",
}


COUNT = (
    "print(sum(open(f'/proc/self/task/{task}/comm').read().startswith('xir-worker')"
    " for task in os.listdir('/proc/self/task')))"
)
"""Prints how many workers there are."""


def _process(code: str, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(str(path) for path in (ROOT, ROOT / "cli"))
    return subprocess.run(
        [sys.executable, "-c", before + PROGRAM + code],
        env=os.environ | {"PYTHONPATH": paths} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_the_interpreter_ends(ending):
    done = _process(ending)
    assert (done.returncode, done.stderr) == (0, "")


def test_at_exit_the_threads_have_ended():
    """What is registered first runs last, after the team's own end."""
    done = _process(COUNT, before=f"import atexit, os\natexit.register(lambda: {COUNT})\n")
    assert (done.returncode, done.stdout.split()[-2:]) == (0, ["1", "0"])


def test_the_number_of_threads_follows_the_affinity_of_the_process():
    processor = min(os.sched_getaffinity(0))
    done = _process("", XIR_NUM_THREADS="64")
    assert done.stdout.split()[0] == str(len(os.sched_getaffinity(0)))
    bound = subprocess.run(
        [
            "taskset",
            "-c",
            str(processor),
            sys.executable,
            "-c",
            "from xir.runtime.processors import thread_count; print(thread_count())",
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert bound.stdout.strip() == "1"


def test_sleeping_workers_are_woken(team):
    """Workers that have waited long sleep in the kernel; the next call needs them all the same."""
    made = assemble(COUNTING, host())
    counts, late = np.zeros((2, 8), np.int64)
    for _ in range(3):
        assert team.run(made.address("count"), counts.ctypes.data, late.ctypes.data, 3)
        _until_asleep()
    assert counts.tolist()[:3] == [900] * 3
    assert not late.any()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this process has one processor")
@pytest.mark.parametrize("alone", [False, True], ids=["of several", "of one"])
def test_a_worker_leaves_the_processor_of_the_caller(team, alone):
    """Unless the process may run on no other one, which is told by its first thread's set."""
    made = assemble(COUNTING, host())
    counts, late = np.zeros((2, 8), np.int64)
    before, mine = tasks(), os.sched_getaffinity(0)
    shared = min(mine)
    work = made.address("count"), counts.ctypes.data, late.ctypes.data, 2
    with ThreadPoolExecutor(1, initializer=lambda: os.sched_setaffinity(threading.get_native_id(), {shared})) as pool:
        caller = {str(pool.submit(threading.get_native_id).result())}
        assert pool.submit(team.run, *work).result()
        (worker,) = map(int, tasks() - before - caller)
        os.sched_setaffinity(worker, {shared})
        try:
            os.sched_setaffinity(0, {shared} if alone else mine)
            assert pool.submit(team.run, *work).result()
        finally:
            os.sched_setaffinity(0, mine)
    assert os.sched_getaffinity(worker) == ({shared} if alone else mine - {shared})
    assert counts.tolist()[:2] == [600] * 2


def _until_asleep() -> None:
    """Waits until no worker is running: the kernel says in which state each is."""
    pause = threading.Event()
    for _ in range(2000):
        states = [_state(folder) for folder in Path("/proc/self/task").iterdir()]
        if states.count("S") >= 2:
            return
        pause.wait(0.001)
    pytest.fail("the workers never sleep")


def _state(folder: Path) -> str:
    text = (folder / "stat").read_text()
    return text.rpartition(")")[2].split()[0] if "(xir-worker)" in text else ""


def test_the_memory_of_a_team_is_aligned(team):
    assert team._members.mailbox(0) % team_module.MAILBOX == 0
    assert ctypes.sizeof(ctypes.c_ulong) == 8  # pthread_t
