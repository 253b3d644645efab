"""A model and its data files appear together, the model last."""

from __future__ import annotations

import errno
import os

import pytest

from xir import _writing as writing
from xir.errors import FileError, UnsafeError
from xir.files import atomic_group, atomic_write


@pytest.fixture(params=["unnamed", "named"])
def temporary(request, monkeypatch):
    """Both ways to write a file that has no name yet: O_TMPFILE, and a temporary name where that is missing."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return request.param


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").write_bytes(b"old")
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def fail_with(number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


def test_data_gets_its_name_before_the_model(folder, temporary, monkeypatch):
    order = []
    real = os.rename
    monkeypatch.setattr(writing.os, "rename", lambda a, b, **more: (order.append(b), real(a, b, **more)))
    with atomic_group(folder / "model") as group:
        data, more = group.data(), group.data()
        data.write(b"weights")
        more.write(b"more")
        group.name(data, "model.0123.data")
        group.name(more, "model.4567.data")
        group.model.write(b"new")
    assert order == ["model.0123.data", "model.4567.data", "model"]
    assert contents(folder) == {"model": b"new", "model.0123.data": b"weights", "model.4567.data": b"more"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "")])
@pytest.mark.parametrize("before", [None, b"same"])
def test_data_is_taken_back_when_the_model_gets_no_name(folder, temporary, monkeypatch, error, before):
    if before is not None:
        (folder / "data").write_bytes(before)
    real = os.rename

    def rename(source, target, **more):
        if target == "model":
            raise error
        real(source, target, **more)

    monkeypatch.setattr(writing.os, "rename", rename)
    with pytest.raises((KeyboardInterrupt, FileError)), atomic_group(folder / "model") as group:
        data = group.data()
        data.write(b"same")
        group.name(data, "data")
        group.model.write(b"new")
    assert contents(folder) == {"model": b"old"} | ({} if before is None else {"data": b"same"})


def test_data_is_taken_back_where_no_model_was(tmp_path, monkeypatch):
    real = os.rename
    monkeypatch.setattr(
        writing.os,
        "rename",
        lambda source, target, **more: fail_with(errno.EIO)() if target == "new" else real(source, target, **more),
    )
    with pytest.raises(FileError, match="Input/output error"), atomic_group(tmp_path / "new") as group:
        group.name(group.data(), "data")
    assert contents(tmp_path) == {}


def test_ctrl_c_after_the_last_rename_keeps_model_and_data(folder, temporary, monkeypatch):
    real = os.rename

    def rename(source, target, **more):
        real(source, target, **more)
        if target == "model":
            raise KeyboardInterrupt

    monkeypatch.setattr(writing.os, "rename", rename)
    with pytest.raises(KeyboardInterrupt), atomic_group(folder / "model") as group:
        data = group.data()
        group.name(data, "data")
        group.model.write(b"new")
    assert contents(folder) == {"model": b"new", "data": b""}


def test_data_without_a_name_is_a_mistake_of_the_caller(folder):
    with pytest.raises(ValueError, match="no name"), atomic_group(folder / "model") as group:
        group.data()
    assert contents(folder) == {"model": b"old"}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\\b", "a\0b", "model"])
def test_data_names_stay_in_the_folder(folder, name):
    with pytest.raises(UnsafeError), atomic_group(folder / "model") as group:
        group.name(group.data(), name)
    assert contents(folder) == {"model": b"old"}


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("there", [False, True])
def test_data_stands_in_a_folder_of_the_models(folder, temporary, there):
    if there:
        (folder / "variables").mkdir()
        (folder / "variables" / "index").write_bytes(b"old")
    with atomic_group(folder / "model") as group:
        for name in ("data", "index"):
            file = group.data()
            file.write(name.encode())
            group.name(file, name, "variables")
        group.model.write(b"new")
    assert tree(folder) == {"model": b"new", "variables/data": b"data", "variables/index": b"index"}


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_is_taken_back_with_its_data(folder, temporary, monkeypatch, there):
    if there:
        (folder / "variables").mkdir()
    real = os.rename
    monkeypatch.setattr(
        writing.os,
        "rename",
        lambda source, target, **more: fail_with(errno.EIO)() if target == "model" else real(source, target, **more),
    )
    with pytest.raises(FileError, match="Input/output error"), atomic_group(folder / "model") as group:
        group.name(group.data(), "data", "variables")
    assert tree(folder) == {"model": b"old"}
    assert (folder / "variables").exists() is there


@pytest.mark.parametrize("link", [False, True])
def test_a_folder_of_data_is_one(folder, tmp_path, link):
    if link:
        (tmp_path / "elsewhere").mkdir()
        (folder / "variables").symlink_to(tmp_path / "elsewhere")
    else:
        (folder / "variables").write_bytes(b"")
    with pytest.raises(FileError, match="no folder"), atomic_group(folder / "model") as group:
        group.name(group.data(), "data", "variables")
    assert (folder / "model").read_bytes() == b"old"


@pytest.mark.parametrize("call", ["mkdir", "open"])
def test_a_folder_that_the_system_refuses(folder, temporary, monkeypatch, call):
    with pytest.raises(FileError, match="variables"), atomic_group(folder / "model") as group:
        group.name(group.data(), "data", "variables")
        monkeypatch.setattr(writing.os, call, fail_with(errno.EACCES))
    monkeypatch.undo()
    assert tree(folder) == {"model": b"old"}


def test_names_of_folders_are_bare(folder):
    with pytest.raises(UnsafeError, match="bare"), atomic_group(folder / "model") as group:
        group.name(group.data(), "data", "a/b")


def test_data_names_differ(folder):
    with pytest.raises(UnsafeError, match="two files"), atomic_group(folder / "model") as group:
        group.name(group.data(), "data")
        group.name(group.data(), "data")


def test_only_data_of_the_group_is_named(folder):
    with pytest.raises(ValueError, match="no data file"), atomic_group(folder / "model") as group:
        group.name(group.model, "data")


def test_messages_name_the_data_file(folder, monkeypatch):
    with pytest.raises(FileError) as caught, atomic_group(folder / "model") as group:
        data = group.data()
        data.write(b"x")
        group.name(data, "weights.data")
        monkeypatch.setattr(writing.os, "write", fail_with(errno.ENOSPC))
    assert caught.value.source.file == str(folder / "weights.data")


def test_descriptors_are_given_back(folder, temporary):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        with atomic_write(folder / "model") as output:
            output.write(b"new")
        with pytest.raises(ZeroDivisionError), atomic_group(folder / "model") as group:
            group.data()
            raise ZeroDivisionError
    assert len(os.listdir("/proc/self/fd")) == before
