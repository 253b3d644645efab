"""Files that are looked at before they take their place."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

import pytest

from xir.errors import FileError
from xir.files import staged_write


def test_the_file_takes_its_place_when_the_block_ends_well(tmp_path):
    with staged_write(tmp_path / "a.onnx") as staged:
        with open(staged, "wb") as file:
            file.write(b"new")
        with open(os.path.join(os.path.dirname(staged), "a.data"), "wb") as file:
            file.write(b"weights")
        assert not (tmp_path / "a.onnx").exists()
    assert (tmp_path / "a.onnx").read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["a.data", "a.onnx"]


@pytest.mark.parametrize("there", [False, True])
def test_folders_beside_the_file_are_filled(tmp_path, there):
    if there:
        (tmp_path / "variables").mkdir()
        (tmp_path / "variables" / "kept").write_bytes(b"kept")
        (tmp_path / "variables" / "index").write_bytes(b"old")
    with staged_write(tmp_path / "model.pb") as staged:
        folder = os.path.join(os.path.dirname(staged), "variables")
        os.mkdir(folder)
        for path in (staged, os.path.join(folder, "index")):
            with open(path, "wb") as file:
                file.write(b"new")
    assert (tmp_path / "variables" / "index").read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path / "variables")) == (["index", "kept"] if there else ["index"])


def test_a_folder_is_not_moved_into_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "variables").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileError), staged_write(tmp_path / "model.pb") as staged:
        os.mkdir(os.path.join(os.path.dirname(staged), "variables"))
    assert os.listdir(tmp_path / "elsewhere") == []


def test_an_error_names_a_file_in_a_folder_as_it_will_stand(tmp_path):
    with pytest.raises(FileError) as caught, staged_write(tmp_path / "model.pb") as staged:
        raise FileError("no", file=os.path.join(os.path.dirname(staged), "variables", "index"))
    assert caught.value.source.file == str(tmp_path / "variables" / "index")


def write_and_fail(path, error):
    with staged_write(path) as staged:
        with open(staged, "wb") as file:
            file.write(b"new")
        raise error


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file(tmp_path, error):
    target = tmp_path / "a.onnx"
    target.write_bytes(b"old")
    with pytest.raises(type(error)):
        write_and_fail(target, error)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.onnx"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_permissions_of_the_old_file_stay(tmp_path, mode):
    target = tmp_path / "a.onnx"
    target.write_bytes(b"old")
    target.chmod(mode)
    with staged_write(target) as staged, open(staged, "wb") as file:
        file.write(b"new")
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.onnx", tmp_path / "link.onnx"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with staged_write(link) as staged, open(staged, "wb") as file:
        file.write(b"new")
    assert target.read_bytes() == b"new"
    assert link.is_symlink()


def test_a_folder_is_not_replaced(tmp_path):
    with pytest.raises(FileError, match="no regular file"), staged_write(tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path):
    target = tmp_path / "a.onnx"
    target.write_bytes(b"old")
    target.chmod(0o400)
    with pytest.raises(FileError), staged_write(target):
        pass


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileError), staged_write(tmp_path / "absent" / "a.onnx"):
        pass


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"old")
    with pytest.raises(FileError), staged_write(tmp_path / "a.onnx"):
        pass
    assert (tmp_path / "a.onnx").read_bytes() == b"old"


HOLD = """
import sys
from xir.files import staged_write
with staged_write(sys.argv[1]) as staged:
    open(staged, "wb").write(b"half")
    print("there", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process in the middle of writing `a.onnx`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "a.onnx")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"there\n"
    yield process
    process.kill()
    process.communicate()


def write(path, content=b"new"):
    with staged_write(path) as staged, open(staged, "wb") as file:
        file.write(content)


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert len(os.listdir(tmp_path)) == 1
    write(tmp_path / "b.onnx")
    assert os.listdir(tmp_path) == ["b.onnx"]


def test_what_a_living_process_writes_stays(tmp_path, holder):
    write(tmp_path / "b.onnx")
    assert len(os.listdir(tmp_path)) == 2
    holder.communicate()
    assert holder.returncode == 0
    assert (tmp_path / "a.onnx").read_bytes() == b"half"
    assert sorted(os.listdir(tmp_path)) == ["a.onnx", "b.onnx"]


def test_a_stage_in_the_same_process_stays(tmp_path):
    with staged_write(tmp_path / "a.onnx") as staged:
        write(tmp_path / "b.onnx")
        with open(staged, "wb") as file:
            file.write(b"whole")
    assert sorted(os.listdir(tmp_path)) == ["a.onnx", "b.onnx"]


def test_a_stage_that_was_killed_before_its_lock_is_removed(tmp_path):
    (tmp_path / ".xir-empty").mkdir()
    write(tmp_path / "b.onnx")
    assert os.listdir(tmp_path) == ["b.onnx"]


def test_other_folders_files_and_links_stay(tmp_path):
    (tmp_path / ".xir-mine").mkdir()
    (tmp_path / ".xir-mine" / "notes").write_text("kept")
    (tmp_path / ".xir-file").write_text("kept")
    (tmp_path / "elsewhere" / "files").mkdir(parents=True)
    (tmp_path / "elsewhere" / "xir.lock").touch()
    (tmp_path / ".xir-link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".xir-pipe").mkdir()
    os.mkfifo(tmp_path / ".xir-pipe" / "notes")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    write(tmp_path / "b.onnx")
    assert sorted(str(path) for path in tmp_path.rglob("*") if path.name != "b.onnx") == before


@pytest.mark.parametrize("name", ["xir.lock", "files"])
def test_a_model_may_have_any_name(tmp_path, name):
    write(tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"new"
    assert os.listdir(tmp_path) == [name]


def test_a_folder_that_is_swept_away_before_it_has_its_lock_is_made_again(tmp_path, monkeypatch):
    made = []
    mkdtemp = tempfile.mkdtemp

    def swept(**given):
        made.append(mkdtemp(**given))
        if len(made) == 1:
            os.rmdir(made[0])
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", swept)
    write(tmp_path / "b.onnx")
    assert len(made) == 2
    assert os.listdir(tmp_path) == ["b.onnx"]


def test_a_folder_that_is_swept_away_before_its_lock_is_held_is_made_again(tmp_path, monkeypatch):
    held = []
    flock = fcntl.flock

    def swept(descriptor, how):
        held.append(descriptor)
        if len(held) == 1:
            (stage,) = tmp_path.iterdir()
            shutil.rmtree(stage)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", swept)
    write(tmp_path / "b.onnx")
    assert len(held) == 2
    assert os.listdir(tmp_path) == ["b.onnx"]


def test_a_file_system_without_locks_is_written_all_the_same(tmp_path, monkeypatch):
    def refused(descriptor, how):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", refused)
    with staged_write(tmp_path / "a.onnx") as staged:
        write(tmp_path / "b.onnx")
        with open(staged, "wb") as file:
            file.write(b"whole")
    assert sorted(os.listdir(tmp_path)) == ["a.onnx", "b.onnx"]
