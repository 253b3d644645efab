"""The runner: what one case does to its process stays there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from xir.errors import MissingExtraError, UsageError
from xir.limits import MEBI
from xir_conformance.plugins import RUNTIMES, SUITES, available, check_runtimes, runtime_named, suite_named
from xir_conformance.pool import Limits, Worker
from xir_conformance.runner import Shard, chosen_cases, run_suite, shard_from_text

pytestmark = pytest.mark.usefixtures("plugin")

QUICK = Limits(seconds=3.0, memory=1024 * MEBI, start=60.0)


def outcomes(suite, runtime, *, jobs=1, limits=QUICK, **more):
    report = run_suite(suite, [runtime], jobs=jobs, limits=limits, **more)
    return report.runs[runtime].outcomes


CONTAINED = [
    ("test-crash", "crash", "SIGSEGV"),
    ("test-exit", "crash", "exit code 3: out of ideas"),
    ("test-hang", "timeout", "more than 3 s"),
    ("test-greedy", "error", "MemoryError"),
    ("test-chatty", "passed", ""),
]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("runtime", "status", "words"), CONTAINED)
def test_what_one_case_does_stays_there(suite, runtime, status, words, jobs):
    found = outcomes(suite, runtime, jobs=jobs)
    assert {name: outcome.status for name, outcome in found.items()} == {
        "minus": "passed",
        "double": status,
        "third": "passed",
    }
    assert words in found["double"].message


ALIKE = [
    ("xir", "passed", ""),
    ("xir-roundtrip", "passed", ""),
    ("xir-ort", "passed", ""),
    ("onnxruntime", "passed", ""),
    ("onnx-reference", "passed", ""),
    ("test-right", "passed", ""),
    ("test-wrong", "mismatch", "Not equal to tolerance"),
    ("test-short", "mismatch", "Items are not equal"),
    ("test-wide", "mismatch", "float64"),
    ("test-failing", "error", "RuntimeError: no luck"),
    ("test-refusing", "unsupported", "ValueError: too odd"),
    ("test-late", "unsupported", "only now"),
    ("test-closed", "unsupported", "closed"),
    ("test-bound", "binding", "no such dtype"),
]


@pytest.mark.parametrize(("runtime", "status", "words"), ALIKE)
def test_every_way_to_pass_or_not(suite, runtime, status, words):
    found = outcomes(suite, runtime, limits=Limits())
    assert [outcome.status for outcome in found.values()] == [status] * 3
    assert all(words in outcome.message for outcome in found.values())


def test_what_is_said_of_how_it_ran_is_kept(suite):
    assert {outcome.note for outcome in outcomes(suite, "test-right").values()} == {"done with care"}


def test_a_crash_after_other_cases_gets_a_second_chance_alone(suite):
    found = outcomes(suite, "test-weary")
    assert [outcome.status for outcome in found.values()] == ["passed"] * 3
    assert "after other cases: SIGSEGV" in found["double"].note


def test_processes_are_replaced(suite):
    found = outcomes(suite, "test-weary", limits=Limits(cases=1))
    assert {outcome.note for outcome in found.values()} == {"done with care"}


CANNOT_START = [
    ("test-absent", MissingExtraError, "gizmo", 60.0),
    ("test-broken", UsageError, "no device", 60.0),
    ("test-stillborn", UsageError, "exit code 9", 60.0),
    ("test-idle", UsageError, "no sign of life", 3.0),
    ("test-nothing", UsageError, "makes no Runtime", 60.0),
]


@pytest.mark.parametrize(("runtime", "kind", "words", "start"), CANNOT_START)
def test_runtimes_that_do_not_start(suite, runtime, kind, words, start):
    with pytest.raises(kind, match=words):
        outcomes(suite, runtime, limits=Limits(start=start))


def test_a_case_that_cannot_be_read(suite, folder):
    (folder / "b" / "double" / "test_data_set_0" / "input_0.pb").write_bytes(b"\xff" * 20)
    found = outcomes(suite, "test-right")
    assert found["double"].status == "error"
    assert "cannot be read" in found["double"].message
    assert found["third"].passed


def test_progress_is_told(suite):
    told = []
    outcomes(suite, "test-right", progress=lambda *step: told.append(step))
    assert told == [("test-right", done, 3) for done in range(3)]


def children():
    """The command lines of this process's children."""
    ids = [number for file in Path("/proc/self/task").glob("*/children") for number in file.read_text().split()]
    return [Path(f"/proc/{number}/cmdline").read_bytes().decode() for number in ids]


@pytest.mark.parametrize("runtime", ["test-hang", "test-right", "test-crash"])
def test_whoever_interrupts_leaves_no_process_behind(suite, runtime):
    def interrupt(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcomes(suite, runtime, jobs=2, progress=interrupt, limits=Limits())
    assert [line for line in children() if "xir_conformance.worker" in line] == []


def test_a_process_that_is_made_while_its_worker_is_stopped_ends(plugin, monkeypatch):
    worker, make = Worker("test-right", Limits()), subprocess.Popen

    def interrupted(*arguments, **options):
        made = make(*arguments, **options)
        worker.stop()
        return made

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with pytest.raises(UsageError, match="was stopped"):
        worker.started()
    assert [line for line in children() if "xir_conformance.worker" in line] == []


def test_shards_are_the_suite_together(suite):
    parts = [chosen_cases(suite, None, Shard(index, 2)) for index in (1, 2)]
    assert [[case.name for case in part] for part in parts] == [["minus", "third"], ["double"]]
    assert list(outcomes(suite, "test-right", shard=Shard(2, 2))) == ["double"]


def test_a_shard_may_be_empty(suite):
    report = run_suite(suite, ["test-right"], match="double", shard=Shard(2, 2))
    assert report.runs["test-right"].outcomes == {}


@pytest.mark.parametrize(("text", "expected"), [("1/1", Shard()), ("2/4", Shard(2, 4))])
def test_names_of_shards(text, expected):
    assert shard_from_text(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/0", "a/b", "1/2/3", "-1/2"])
def test_names_of_no_shards(text):
    with pytest.raises(UsageError, match="no shard"):
        shard_from_text(text)


def test_cases_by_name(suite):
    assert [case.name for case in chosen_cases(suite, "^(min|thi)", Shard())] == ["minus", "third"]
    with pytest.raises(UsageError, match="no case"):
        chosen_cases(suite, "nowhere", Shard())
    with pytest.raises(UsageError, match="regular expression"):
        chosen_cases(suite, "(", Shard())


def test_plugins_are_found_by_name(folder):
    assert runtime_named("test-right").version == "made 1"
    assert [case.name for case in suite_named(str(folder)).cases] == ["a/minus", "b/double", "b/minus"]
    check_runtimes(("xir", "test-crash"))
    for call in (lambda: check_runtimes(("nobody",)), lambda: runtime_named("nobody"), lambda: suite_named("nobody")):
        with pytest.raises(UsageError, match="nobody"):
            call()
    with pytest.raises(UsageError, match="makes no Suite"):
        suite_named("test-nothing")


def test_two_plugins_of_one_name(plugin):
    points = plugin / "odd_runtimes-1.dist-info" / "entry_points.txt"
    points.write_text(points.read_text().replace("test-right =", "xir ="))
    with pytest.raises(UsageError, match="two plug-ins are called 'xir'"):
        available("xir.conformance.runtimes", RUNTIMES)


@pytest.mark.parametrize(
    ("module", "hint"), [("nowhere_to_be_found", "pip install nowhere_to_be_found"), ("onnx", "onnx>=1.23")]
)
def test_a_plugin_whose_library_is_missing(monkeypatch, module, hint):
    def refuse(name):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr("xir_conformance.plugins.import_module", refuse)
    with pytest.raises(MissingExtraError, match=module) as caught:
        runtime_named("xir")
    assert hint in caught.value.hint


def test_the_entry_points_are_those_that_stand_here(pytestconfig):
    import tomllib

    told = tomllib.loads((pytestconfig.rootpath / "pyproject.toml").read_text())["project"]["entry-points"]
    assert told["xir.conformance.runtimes"] == RUNTIMES
    assert told["xir.conformance.suites"] == SUITES
