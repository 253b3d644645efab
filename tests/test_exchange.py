"""A model of several files whose names its format says is replaced whole, whenever the process is killed."""

from __future__ import annotations

import ctypes
import errno
import inspect
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xir.errors import FileError
from xir.files import atomic_group, staged_write

OLD = {"saved_model.pb": b"old", "variables/index": b"old", "variables/data": b"old"}
FOREIGN = {"assets/words": b"mine", "assets/more/words": b"mine", "variables/notes": b"mine", "README": b"mine"}
NEW = {name: b"new" for name in OLD}


def by_group(path: Path) -> None:
    with atomic_group(path) as group:
        for name in ("data", "index"):
            file = group.data()
            file.write(b"new")
            group.name(file, name, "variables")
        group.model.write(b"new")


def by_stage(path: Path) -> None:
    with staged_write(path) as staged:
        by_group(Path(staged))


KILLED = f"""
from __future__ import annotations
import os, sys
from pathlib import Path
from xir.files import atomic_group, staged_write

{inspect.getsource(by_group)}
{inspect.getsource(by_stage)}
way = sys.argv[1]
if way.endswith("named"):
    del os.O_TMPFILE

def writes(path, at):
    seen = 0
    def watch(event, _):
        nonlocal seen
        seen += event.startswith(("os.", "shutil.", "ctypes."))
        if seen == at:
            os._exit(9)
    sys.addaudithook(watch)
    (by_stage if way.startswith("staged") else by_group)(Path(path))
    os._exit(0)

for at, line in enumerate(sys.stdin, 1):
    process = os.fork()
    if not process:
        writes(line.strip(), at)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
"""Writes the models that are told its way, each in a process that is killed before one step more."""


def tree(folder: Path) -> dict[str, bytes]:
    """The files of a folder that have names of their own."""
    found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".xir-")}


def fill(folder: Path) -> Path:
    for name, content in (OLD | FOREIGN).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "saved_model.pb"


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder in memory where the system has such: a kill leaves memory and disks alike, and disks are slow."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        yield Path(folder)


WAYS = pytest.mark.parametrize("write", [by_group, by_stage])


@pytest.mark.parametrize("way", ["group", "group, named", "staged", "staged, named"])
def test_a_kill_at_any_step_leaves_the_old_model_or_the_new_one(way: str, in_memory: Path) -> None:
    whole, code = list[bool](), 9
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, way], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        while code == 9:
            folder = in_memory / str(len(whole)) / "model"
            path = fill(folder)
            print(path, file=writer.stdin, flush=True)
            code = int(writer.stdout.readline())
            found = tree(folder)
            assert found in (OLD | FOREIGN, NEW | FOREIGN)
            whole.append(found == NEW | FOREIGN)
            by_stage(path)  # what the killed process left hinders nobody, and goes
            assert tree(folder) == NEW | FOREIGN
            assert [
                name for name in (*os.listdir(folder.parent), *os.listdir(folder)) if name.startswith(".xir-")
            ] == []
        writer.stdin.close()
    assert code == 0
    assert whole == sorted(whole)
    assert {False, True} == set(whole[:-1])


@WAYS
def test_permissions_links_and_what_is_not_the_models_stay(write: Callable[[Path], None], tmp_path: Path) -> None:
    path = fill(tmp_path / "model")
    (path.parent / "link").symlink_to("assets")
    (path.parent / "assets").chmod(0o750)
    path.parent.chmod(0o710)
    write(path)
    assert tree(path.parent) == NEW | FOREIGN
    assert (path.parent / "link").readlink() == Path("assets")
    assert [oct(each.stat().st_mode & 0o777) for each in (path.parent, path.parent / "assets")] == ["0o710", "0o750"]
    assert os.listdir(tmp_path) == ["model"]


@WAYS
def test_the_working_folder_is_not_replaced(
    write: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fill(tmp_path / "model")
    monkeypatch.chdir(path.parent / "assets")
    with pytest.raises(FileError, match="working folder"):
        write(path)
    assert tree(path.parent) == OLD | FOREIGN


@WAYS
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EACCES])
@pytest.mark.parametrize("call", ["link", "chown"])
def test_what_the_system_refuses_changes_nothing(
    write: Callable[[Path], None], number: int, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fill(tmp_path / "model")
    real = getattr(os, call)

    def refuse(*args: object, **more: object) -> None:
        if "/proc/" in str(args[0]):
            real(*args, **more)
        else:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(FileError, match="exchanges no folders" if number == errno.EINVAL else "replace the folder"):
        write(path)
    assert tree(path.parent) == OLD | FOREIGN
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("library", [object(), None])
def test_a_system_without_the_call_refuses(library: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def renameat2(self, *_: object) -> int:
            ctypes.set_errno(errno.EINVAL)
            return -1

    path = fill(tmp_path / "model")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: library or Refusing())
    with pytest.raises(FileError, match="exchanges no folders") as caught:
        by_group(path)
    assert "remove the old model" in (caught.value.hint or "")
    assert tree(path.parent) == OLD | FOREIGN
