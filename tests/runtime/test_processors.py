"""How many threads: the affinity mask, quotas of control groups of both versions, the argument, the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xir.errors import UsageError
from xir.runtime.processors import processor_quota, thread_count

UNIFIED = "30 24 0:27 {root} {folder} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
LEGACY = "31 24 0:28 {root} {folder} rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct\n"
OTHER = "32 24 0:29 / /elsewhere rw - cgroup cgroup rw,memory\n25 1 8:1 / / rw - ext4 /dev/sda rw\nnonsense\n"


@pytest.fixture(autouse=True)
def _no_bound_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XIR_NUM_THREADS", raising=False)


@pytest.fixture
def process(tmp_path: Path) -> Path:
    (tmp_path / "self").mkdir()
    return tmp_path / "self"


def describe(process: Path, mountinfo: str, cgroup: str) -> None:
    (process / "mountinfo").write_text(OTHER + mountinfo)
    (process / "cgroup").write_text(cgroup)


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / ("cpu." + name)).write_text(text)


@pytest.mark.parametrize(
    ("text", "quota"), [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None), ("x y z", None), ("0 0", None)]
)
def test_version_2(process, tmp_path, text, quota):
    describe(process, UNIFIED.format(root="/", folder=tmp_path / "two"), "0::/a\n")
    write(tmp_path / "two" / "a", max=text)
    assert processor_quota(process) == quota


@pytest.mark.parametrize(("quota", "period", "found"), [("250000", "100000", 2.5), ("-1", "100000", None)])
def test_version_1(process, tmp_path, quota, period, found):
    describe(process, LEGACY.format(root="/", folder=tmp_path / "one"), "3:memory:/m\n4:cpu,cpuacct:/a/b\n0::/\n")
    write(tmp_path / "one" / "a" / "b", cfs_quota_us=quota + "\n", cfs_period_us=period + "\n")
    assert processor_quota(process) == found


def test_groups_around_bound_too(process, tmp_path):
    describe(process, UNIFIED.format(root="/", folder=tmp_path / "two"), "0::/a/b/c\n")
    write(tmp_path / "two" / "a" / "b" / "c", max="800000 100000")
    write(tmp_path / "two" / "a" / "b", max="max 100000")
    write(tmp_path / "two" / "a", max="300000 100000")
    assert processor_quota(process) == 3


def test_a_container_sees_its_own_group_as_the_root(process, tmp_path):
    """The mount shows the group that the path of the process is under, or the name space shows `/`."""
    for path in ("/docker/abc", "/"):
        describe(process, LEGACY.format(root="/docker/abc", folder=tmp_path / "one"), f"4:cpu,cpuacct:{path}\n")
        write(tmp_path / "one", cfs_quota_us="50000", cfs_period_us="100000")
        assert processor_quota(process) == 0.5


def test_a_path_out_of_the_name_space_is_its_root(process, tmp_path):
    describe(process, UNIFIED.format(root="/", folder=tmp_path / "two"), "0::/../other\n")
    write(tmp_path / "two", max="100000 100000")
    write(tmp_path / "other", max="10000 100000")
    assert processor_quota(process) == 1


def test_a_folder_with_a_blank_in_its_name(process, tmp_path):
    describe(process, UNIFIED.format(root="/", folder=str(tmp_path / "with\\040blank")), "0::/\n")
    write(tmp_path / "with blank", max="100000 100000")
    assert processor_quota(process) == 1


def test_no_control_groups(process):
    assert processor_quota(process) is None


@pytest.mark.parametrize(("quota", "threads"), [("10000 100000", 1), ("110000 100000", 2), ("9900000 100000", 3)])
def test_the_quota_is_rounded_up(process, tmp_path, monkeypatch, quota, threads):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 4, 6})
    describe(process, UNIFIED.format(root="/", folder=tmp_path / "two"), "0::/\n")
    write(tmp_path / "two", max=quota)
    assert thread_count(process=process) == threads


@pytest.mark.parametrize(
    ("asked", "told", "threads"),
    [(None, "", 8), (3, "", 3), (99, "", 8), (None, "5", 5), (6, " 2 ", 2), (1, "5", 1)],
)
def test_the_least_bound_counts(process, monkeypatch, asked, told, threads):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setenv("XIR_NUM_THREADS", told)
    assert thread_count(asked, process=process) == threads


@pytest.mark.parametrize("asked", [0, -1, True, 2.0, "2"])
def test_threads_are_whole_numbers(asked):
    with pytest.raises(UsageError, match="threads is"):
        thread_count(asked)


@pytest.mark.parametrize("told", ["0", "many", "-1", "1.5", "9" * 5000])
def test_the_variable_is_a_whole_number(monkeypatch, told):
    monkeypatch.setenv("XIR_NUM_THREADS", told)
    with pytest.raises(UsageError, match="XIR_NUM_THREADS"):
        thread_count()
