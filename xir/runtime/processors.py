"""How many threads a process may use: what its affinity mask, its control groups and its owner allow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path, PurePosixPath

from xir.errors import UsageError

VARIABLE = "XIR_NUM_THREADS"
"""The environment variable that bounds the threads of every model of a process."""
MAX_THREADS = 1024
"""More are asked for by mistake only."""
PROCESS = Path("/proc/self")
"""Where Linux describes the process that asks (proc(5))."""


def thread_count(asked: int | None = None, *, process: Path = PROCESS) -> int:
    """The threads that a model may use: the least of what was asked for and of what the process has.

    The process has the processors of its affinity mask (sched_setaffinity(2)), as many as its control groups' quota of
    time pays for (rounded up), and at most `XIR_NUM_THREADS`.

    Args:
        asked: at most so many; None for no bound.
        process: the folder that describes the process, as `/proc/self`.

    Raises:
        UsageError: if `asked` or `XIR_NUM_THREADS` is no whole number from 1 on.
    """
    bounds = [MAX_THREADS, len(os.sched_getaffinity(0))]
    if asked is not None:
        bounds.append(_checked(asked, "threads"))
    told = os.environ.get(VARIABLE, "").strip()
    if told:
        bounds.append(_checked(int(told) if told.isascii() and told.isdigit() and len(told) < 10 else told, VARIABLE))
    quota = processor_quota(process)
    if quota is not None:
        bounds.append(max(ceil(quota), 1))
    return min(bounds)


def _checked(number: object, name: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise UsageError(
            f"{name} is {number!r}, expected a whole number from 1 on", hint=f"leave {name} out to use every processor"
        )
    return number


@dataclass(frozen=True, slots=True)
class _Mount:
    """A hierarchy of control groups: which group of it is seen at which folder, and whether it is of version 2."""

    root: PurePosixPath
    folder: Path
    unified: bool


def processor_quota(process: Path = PROCESS) -> float | None:
    """The processors whose time the control groups of the process allow, such as 1.5; None where nothing bounds it.

    Version 2 says it in `cpu.max` as `quota period` in microseconds, or `max`; version 1 in `cpu.cfs_quota_us`, -1 for
    no bound, and `cpu.cfs_period_us`. A group is bounded by those around it, too. (Linux, admin-guide/cgroup-v2.rst
    "CPU Interface Files"; scheduler/sched-bwc.rst.) What cannot be read does not bound.
    """
    try:
        mounts = list(_mounts((process / "mountinfo").read_text("utf-8", "surrogateescape")))
        groups = (process / "cgroup").read_text("utf-8", "surrogateescape")
    except OSError:
        return None
    found: list[float] = []
    for line in groups.splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        for mount in mounts:
            if mount.unified != (controllers == "") or not (mount.unified or "cpu" in controllers.split(",")):
                continue
            for folder in _folders(mount, PurePosixPath(path)):
                quota = _unified(folder) if mount.unified else _legacy(folder)
                if quota is not None:
                    found.append(quota)
    return min(found, default=None)


def _mounts(text: str) -> Iterator[_Mount]:
    """The hierarchies that bound processors, from the lines of proc_pid_mountinfo(5)."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        place, system = before.split(" "), after.split(" ")
        if len(place) < 5 or len(system) < 3:
            continue
        unified = system[0] == "cgroup2"
        if unified or (system[0] == "cgroup" and "cpu" in system[2].split(",")):
            yield _Mount(PurePosixPath(_plain(place[3])), Path(_plain(place[4])), unified)


def _plain(field: str) -> str:
    """A field of mountinfo, in which blanks and the like stand as octal numbers."""
    for code in ("\\040", "\\011", "\\012", "\\134"):
        field = field.replace(code, chr(int(code[1:], 8)))
    return field


def _folders(mount: _Mount, group: PurePosixPath) -> Iterator[Path]:
    """The folders of a group and of those around it, as far as they are seen."""
    inside = group.relative_to(mount.root) if group.is_relative_to(mount.root) else PurePosixPath()
    if ".." in inside.parts:  # the process was moved out of what its name space shows (cgroup_namespaces(7))
        inside = PurePosixPath()
    folder = mount.folder / inside
    yield folder
    for _ in inside.parts:
        folder = folder.parent
        yield folder


def _unified(folder: Path) -> float | None:
    return _ratio([*_content(folder / "cpu.max").split(), "", ""][:2])


def _legacy(folder: Path) -> float | None:
    return _ratio([_content(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")])


def _ratio(numbers: list[str]) -> float | None:
    quota, period = (int(number) if number.isascii() and number.isdigit() else 0 for number in numbers)
    return quota / period if quota > 0 and period > 0 else None


def _content(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
