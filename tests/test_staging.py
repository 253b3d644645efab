"""Files that are looked at before they take their place."""

from __future__ import annotations

import os
import stat

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
