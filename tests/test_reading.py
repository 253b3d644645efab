"""Reading: regular files, within bounds, beneath the model's folder, unchanged since the opening."""

from __future__ import annotations

import errno
import gc
import hashlib
import os
import socket

import numpy as np
import pytest

from xir import _reading as reading
from xir.errors import FileError, FormatError, InvalidModelError, UnsafeError
from xir.files import file_error, open_beneath, open_mapped, read_bytes, read_text


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(bytes(range(200)))
    return path


# bounded reads


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_read_bytes_up_to_the_limit(tmp_path, size):
    path = tmp_path / "f"
    path.write_bytes(b"x" * size)
    assert read_bytes(path, size) == b"x" * size


def test_read_bytes_over_the_limit_is_unsafe(model):
    with pytest.raises(UnsafeError, match="200 bytes; at most 199"):
        read_bytes(model, 199)


def test_a_file_that_grows_while_it_is_read_stops_at_the_limit():
    # Files in /proc declare 0 bytes and hold more.
    with pytest.raises(UnsafeError, match="at most 3"):
        read_bytes("/proc/self/status", 3)


def _fifo(path):
    os.mkfifo(path)


def _socket(path):
    server = socket.socket(socket.AF_UNIX)
    folder = os.getcwd()
    os.chdir(path.parent)  # the path of a socket is at most 107 bytes long
    try:
        server.bind(path.name)
    finally:
        os.chdir(folder)
        server.close()


@pytest.mark.parametrize("opener", [lambda path: read_bytes(path, 9), open_mapped])
@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda path: path.mkdir(), FileError, "is a folder"),
        (_fifo, UnsafeError, "pipe"),
        (_socket, UnsafeError, "pipe, socket"),
        (lambda path: path.symlink_to("/dev/zero"), UnsafeError, "device"),
        (lambda path: path.symlink_to(path.name), FileError, "cannot open"),
        (lambda path: None, FileError, "No such file"),
    ],
)
def test_only_regular_files(tmp_path, opener, make, error, words):
    path = tmp_path / "f"
    make(path)
    with pytest.raises(error, match=words) as caught:
        opener(path)
    assert caught.value.source.file == str(path)
    assert caught.value.hint


def test_a_pipe_that_is_swapped_in_is_noticed_after_the_opening(model, tmp_path, monkeypatch):
    status = os.stat(model)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    monkeypatch.setattr(reading.os, "stat", lambda *_, **__: status)
    with pytest.raises(UnsafeError, match="pipe"):
        read_bytes(fifo, 9)


def test_a_path_with_nul_is_an_error_of_ours():
    with pytest.raises(FileError, match="NUL"):
        read_bytes("a\0b", 9)


def test_read_error_becomes_a_file_error(model, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "")

    monkeypatch.setattr(reading.os, "read", fail)
    with pytest.raises(FileError, match="Input/output error") as caught:
        read_bytes(model, 999)
    assert "check the disk" in caught.value.hint


def test_links_that_the_person_named_are_followed(model, tmp_path):
    (tmp_path / "link").symlink_to(model)
    assert len(read_bytes(tmp_path / "link", 200)) == 200


def test_read_text_drops_the_byte_order_mark(tmp_path):
    (tmp_path / "t").write_bytes(b"\xef\xbb\xbfname: '\xc3\xa9'\r\n")
    assert read_text(tmp_path / "t") == "name: 'é'\r\n"


def test_read_text_says_which_byte_is_not_text(tmp_path):
    (tmp_path / "t").write_bytes(b"abc\xff")
    with pytest.raises(FormatError, match="byte 3 is 0xff"):
        read_text(tmp_path / "t")


def test_error_without_number():
    assert "weird" in file_error(OSError("weird"), "p", "read").message


# slices


def test_slices_view_read_and_hash(model):
    piece = open_mapped(model).slice(10, 20)
    expected = bytes(range(10, 30))
    assert (bytes(piece.view()), piece.read(), b"".join(piece.chunks())) == (expected, expected, expected)
    assert piece.sha256() == hashlib.sha256(expected).hexdigest()
    assert piece.slice(5, 2).read() == bytes([15, 16])
    assert repr(piece) == f"FileSlice({str(model)!r}, offset=10, length=20)"
    assert piece.path == str(model)


def test_slices_are_values(model):
    file = open_mapped(model)
    assert file.slice(1, 2) == file.slice(0, 9).slice(1, 2)


def test_what_was_forgotten_is_read_again(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(bytes(range(256)) * 64)
    part = open_mapped(path).slice(100, 12_000)
    part.forget()  # nothing is mapped yet
    view = part.view()
    before = bytes(view)
    part.forget()
    part.slice(0, 10).forget()  # no whole page
    assert bytes(view) == before == path.read_bytes()[100:12_100]


def test_views_are_read_only(model):
    view = open_mapped(model).whole().view()
    assert view.readonly


def test_views_outlive_their_file(model):
    view = open_mapped(model).slice(3, 4).view()
    gc.collect()
    assert bytes(view) == bytes([3, 4, 5, 6])


def test_empty_file(tmp_path):
    (tmp_path / "e").touch()
    whole = open_mapped(tmp_path / "e").whole()
    assert (bytes(whole.view()), whole.read(), whole.length) == (b"", b"", 0)


def test_long_reads_come_in_chunks(tmp_path):
    data = os.urandom(reading.CHUNK_BYTES * 2 + 3)
    (tmp_path / "l").write_bytes(data)
    whole = open_mapped(tmp_path / "l").whole()
    assert whole.read() == data
    assert [len(chunk) for chunk in whole.chunks()] == [reading.CHUNK_BYTES, reading.CHUNK_BYTES, 3]


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, 201), (200, 1), (5, -1)])
def test_slices_stay_inside(model, offset, length):
    file = open_mapped(model)
    for source in (file, file.whole()):
        with pytest.raises(InvalidModelError, match="inside 200 bytes"):
            source.slice(offset, length)
    with pytest.raises(InvalidModelError):
        file.read_at(offset, length)


def test_array_shares_the_map(model):
    array = open_mapped(model).slice(4, 24).array("<f4", (2, 3))
    assert array.shape == (2, 3)
    assert not array.flags.writeable
    np.testing.assert_array_equal(array.view("u1").ravel(), np.arange(4, 28))


@pytest.mark.parametrize(("shape", "error"), [((7,), InvalidModelError), ((1 << 40, 1 << 40), UnsafeError)])
def test_array_of_the_wrong_size(model, shape, error):
    with pytest.raises(error):
        open_mapped(model).slice(0, 24).array("<f4", shape)


@pytest.mark.parametrize("access", ["view", "read", "sha256"])
@pytest.mark.parametrize("change", ["truncate", "append", "overwrite"])
def test_a_changed_file_is_refused(model, access, change):
    whole = open_mapped(model).whole()
    whole.view()  # mapped before the change
    if change == "truncate":
        os.truncate(model, 100)
    else:
        with model.open("r+b" if change == "overwrite" else "ab") as stream:
            stream.write(b"y")
        os.utime(model, ns=(1, 1))
    with pytest.raises(FileError, match="changed since it was opened") as caught:
        getattr(whole, access)()
    assert caught.value.code == "XIR-E903"


def test_a_file_cut_between_check_and_read_is_noticed(model, monkeypatch):
    file = open_mapped(model)
    monkeypatch.setattr(reading.MappedFile, "check", lambda self: None)
    os.truncate(model, 100)
    with pytest.raises(FileError, match="ends at byte 100"):
        file.whole().read()


def test_a_file_replaced_by_rename_stays_readable(model, tmp_path):
    file = open_mapped(model)
    (tmp_path / "new").write_bytes(b"new")
    os.replace(tmp_path / "new", model)
    assert file.whole().read() == bytes(range(200))


@pytest.mark.parametrize("call", ["pread", "mmap"])
def test_errors_of_the_disk(model, monkeypatch, call):
    def fail(*_, **__):
        raise OSError(errno.EIO, "")

    file = open_mapped(model)
    monkeypatch.setattr(reading.os if call == "pread" else reading.mmap, call, fail)
    with pytest.raises(FileError, match="Input/output error"):
        file.whole().read() if call == "pread" else file.view()


def test_descriptors_are_given_back(model):
    def descriptors():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for _ in range(20):
        open_mapped(model).view()
        open_beneath(model.parent, model.name)
    for _ in range(20):
        with pytest.raises(UnsafeError):
            open_beneath(model.parent, "../x")
        with pytest.raises(FileError):
            open_beneath(model.parent, "absent/x")
    assert descriptors() == before


# companions


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "model"
    (inside / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"secret")
    for place in ("w", "sub/w", "sub/deep/w", "name with blank", "ünï", "..w"):
        (inside / place).write_bytes(b"weights")
    (inside / "link").symlink_to("w")
    (inside / "out").symlink_to(tmp_path / "secret")
    (inside / "linked").symlink_to("sub")
    (inside / "up").symlink_to("..")
    (inside / "loop").symlink_to("loop")
    (inside / "hard").write_bytes(b"weights")
    os.link(inside / "hard", tmp_path / "other name")
    os.mkfifo(inside / "fifo")
    return inside


@pytest.mark.parametrize(
    "relative", ["w", "./w", "sub/w", "sub//deep/./w", "sub/deep/w", "name with blank", "ünï", "..w"]
)
def test_companions_inside_the_folder(folder, relative):
    assert open_beneath(folder, relative).whole().read() == b"weights"


def test_companion_of_a_model_in_the_working_directory(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert open_beneath("", "w").whole().read() == b"weights"


REFUSED = ["../secret", "sub/../w", "sub/../../secret", "..", "/etc/passwd", "//etc/passwd", "", ".", "./", "sub/"]
REFUSED += ["w/.", "..\\secret", "sub\\w", "C:w", "c:/w", "a\0b", "sub/.."]


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("relative", REFUSED)
def test_paths_refused_as_text(folder, relative, trust):
    with pytest.raises(UnsafeError, match="companion"):
        open_beneath(folder, relative, trust_links=trust)


@pytest.mark.parametrize("relative", ["link", "out", "linked/w", "up/secret", "loop", "hard", "loop/w"])
def test_links_are_refused_with_the_way_out(folder, relative):
    with pytest.raises(UnsafeError, match="link") as caught:
        open_beneath(folder, relative)
    assert "--trust-links" in caught.value.hint
    assert caught.value.exit_code == 8


@pytest.mark.parametrize(
    ("relative", "content"),
    [
        ("link", b"weights"),
        ("out", b"secret"),
        ("linked/w", b"weights"),
        ("up/secret", b"secret"),
        ("hard", b"weights"),
    ],
)
def test_trusted_links_are_followed(folder, relative, content):
    assert open_beneath(folder, relative, trust_links=True).whole().read() == content


@pytest.mark.parametrize(
    ("relative", "error"),
    [("absent", FileError), ("w/x", FileError), ("absent/x", FileError), ("sub", FileError), ("fifo", UnsafeError)],
)
def test_other_companions_refused(folder, relative, error):
    with pytest.raises(error) as caught:
        open_beneath(folder, relative)
    assert caught.value.source.file == str(folder / relative)


def test_a_link_swapped_in_after_the_check_is_not_followed(folder, monkeypatch):
    real = os.stat(folder / "w")
    monkeypatch.setattr(reading.os, "stat", lambda *_, **__: real)
    for relative in ("link", "hard", "loop"):
        with pytest.raises(UnsafeError, match="link"):
            open_beneath(folder, relative)


def test_absent_folder(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        open_beneath(tmp_path / "absent", "w")
