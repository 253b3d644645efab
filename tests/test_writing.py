"""Writing: whole or not at all, and the old file stays, whatever happens in between."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.cli.commands import unmeasured
from xir import _writing as writing
from xir.errors import FileError
from xir.files import atomic_write, open_mapped

REPOSITORY = Path(__file__).resolve().parent.parent


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


# what is written


def test_write_replaces_the_old_file(folder, temporary):
    with atomic_write(folder / "model") as output:
        output.write(b"ne")
        output.write(bytearray(b"w"))
        assert output.tell() == 3
        assert (folder / "model").read_bytes() == b"old"
    assert contents(folder) == {"model": b"new"}


def test_large_and_small_writes_keep_their_order(folder, temporary):
    pieces = [b"a" * 3, b"b" * (1 << 20), b"c", b"d" * (3 << 20), b"", b"e"]
    with atomic_write(folder / "model") as output:
        for piece in pieces:
            output.write(piece)
        assert output.tell() == sum(map(len, pieces))
    assert (folder / "model").read_bytes() == b"".join(pieces)


def test_writes_end_where_large_pages_do(folder, monkeypatch):
    """Small ones are gathered, large ones go through, and none but the last ends within a block."""
    sizes, real = [], os.write
    monkeypatch.setattr(writing.os, "write", lambda descriptor, data: sizes.append(len(data)) or real(descriptor, data))
    block = writing.BLOCK_BYTES
    data = os.urandom(7 * block)
    with atomic_write(folder / "model") as output:
        place = 0
        for size in (7, block - 8, 3, 2 * block, block // 2, 1, 3 * block):
            output.write(data[place : place + size])
            place += size
    assert (folder / "model").read_bytes() == data[:place]
    assert all(sum(sizes[:count]) % block == 0 for count in range(1, len(sizes)))
    assert max(sizes) > block


def test_arrays_are_written_as_bytes(folder):
    with atomic_write(folder / "model") as output:
        assert output.write(memoryview(b"abcdefgh").cast("I")) == 8
    assert contents(folder) == {"model": b"abcdefgh"}


def test_short_writes_go_on(folder, monkeypatch):
    real = os.write
    monkeypatch.setattr(writing.os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    with atomic_write(folder / "model") as output:
        output.write(b"0123456789")
    assert contents(folder) == {"model": b"0123456789"}


def test_a_system_that_takes_nothing_is_an_error(folder, monkeypatch):
    monkeypatch.setattr(writing.os, "write", lambda *_: 0)
    with pytest.raises(FileError, match="no more bytes"), atomic_write(folder / "model") as output:
        output.write(b"x")
    assert contents(folder) == {"model": b"old"}


# slices, file to file


@pytest.mark.parametrize("kernel", ["whole", "short", "absent", "refusing", "idle"])
def test_copy(folder, monkeypatch, kernel):
    data = os.urandom((5 << 20) + 7)
    (folder / "source").write_bytes(data)
    real = getattr(os, "copy_file_range", None)
    match kernel:
        case "short":
            monkeypatch.setattr(os, "copy_file_range", lambda a, b, n, at: real(a, b, min(n, 1 << 20), at))
        case "absent":
            monkeypatch.delattr(os, "copy_file_range")
        case "refusing":
            monkeypatch.setattr(os, "copy_file_range", fail_with(errno.EXDEV))
        case "idle":
            monkeypatch.setattr(os, "copy_file_range", lambda *_: 0)
    with atomic_write(folder / "model") as output:
        output.write(b"head")
        output.copy(open_mapped(folder / "source").slice(5, 5 << 20))
        assert output.tell() == 4 + (5 << 20)
        output.write(b"tail")
    assert (folder / "model").read_bytes() == b"head" + data[5 : 5 + (5 << 20)] + b"tail"


def test_copy_between_file_systems(folder):
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or os.stat(shared).st_dev == os.stat(folder).st_dev:
        pytest.skip("no second file system that may be written")
    source = shared / f"xir-test-{os.getpid()}"
    source.write_bytes(b"from afar")
    try:
        with atomic_write(folder / "model") as output:
            output.copy(open_mapped(source).whole())
    finally:
        source.unlink()
    assert contents(folder) == {"model": b"from afar"}


@pytest.mark.parametrize("kernel", [True, False])
def test_a_source_that_ends_early_leaves_the_old_file(folder, monkeypatch, kernel):
    (folder / "source").write_bytes(b"x" * 5000)
    piece = open_mapped(folder / "source").whole()
    os.truncate(folder / "source", 100)
    monkeypatch.setattr(type(piece.file), "check", lambda self: None)
    if not kernel:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    with pytest.raises(FileError, match="ends at byte 100"), atomic_write(folder / "model") as output:
        output.copy(piece)
    assert sorted(contents(folder)) == ["model", "source"]
    assert (folder / "model").read_bytes() == b"old"


def test_a_changed_source_is_refused_before_the_first_byte(folder):
    (folder / "source").write_bytes(b"x" * 50)
    piece = open_mapped(folder / "source").whole()
    os.truncate(folder / "source", 10)
    with pytest.raises(FileError, match="changed"), atomic_write(folder / "model") as output:
        output.copy(piece)


def test_a_full_disk_while_the_kernel_copies(folder, monkeypatch):
    (folder / "source").write_bytes(b"x" * 50)
    monkeypatch.setattr(os, "copy_file_range", fail_with(errno.ENOSPC), raising=False)
    with pytest.raises(FileError, match="No space") as caught, atomic_write(folder / "model") as output:
        output.copy(open_mapped(folder / "source").whole())
    assert "free some space" in caught.value.hint
    assert (folder / "model").read_bytes() == b"old"


# permissions and places


def test_permissions_come_from_the_old_file(folder, temporary):
    os.chmod(folder / "model", 0o640)
    with atomic_write(folder / "model") as output:
        output.write(b"new")
    assert stat.S_IMODE((folder / "model").stat().st_mode) == 0o640


def test_permissions_of_a_new_file_come_from_the_umask(folder, temporary):
    old = os.umask(0o027)
    try:
        with atomic_write(folder / "other") as output:
            output.write(b"new")
    finally:
        os.umask(old)
    assert stat.S_IMODE((folder / "other").stat().st_mode) == 0o640


def test_a_link_stays_a_link(folder, temporary):
    (folder / "sub").mkdir()
    (folder / "sub" / "link").symlink_to("../model")
    with atomic_write(folder / "sub" / "link") as output:
        output.write(b"new")
    assert (folder / "sub" / "link").is_symlink()
    assert (folder / "model").read_bytes() == b"new"


def test_another_hard_link_keeps_the_old_content(folder):
    os.link(folder / "model", folder / "other")
    with atomic_write(folder / "model") as output:
        output.write(b"new")
    assert contents(folder) == {"model": b"new", "other": b"old"}


def test_names_up_to_the_limit_of_the_file_system(folder, temporary):
    with atomic_write(folder / ("n" * 255)) as output:
        output.write(b"new")
    assert contents(folder)["n" * 255] == b"new"


def test_relative_path(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with atomic_write("model") as output:
        output.write(b"new")
    assert contents(folder) == {"model": b"new"}


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("sub", "is a folder"),
        ("sub/", "is a folder"),
        ("new/", "names no file"),
        ("absent/model", "No such file"),
        ("model/x", "Not a directory"),
        ("fifo", "device"),
        ("null", "device"),
        ("n" * 256, "File name too long"),
        ("a\0b", "NUL"),
        ("loop", "link"),
    ],
)
def test_places_that_cannot_be_written(folder, place, words):
    (folder / "sub").mkdir()
    (folder / "null").symlink_to("/dev/null")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "fifo")
    before = sorted(os.listdir(folder))
    with pytest.raises(FileError, match=words), atomic_write(f"{folder}/{place}") as output:
        output.write(b"new")
    assert sorted(os.listdir(folder)) == before
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_read_only_file_is_respected(folder, monkeypatch):
    monkeypatch.setattr(writing.os, "access", lambda *_: False)  # root may write everything
    with pytest.raises(FileError, match="Permission denied"), atomic_write(folder / "model"):
        pass
    assert contents(folder) == {"model": b"old"}


# failures in between


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError, GeneratorExit])
def test_any_exception_leaves_the_old_file_and_nothing_else(folder, temporary, error):
    with pytest.raises(error), atomic_write(folder / "model") as output:
        output.write(b"x" * (3 << 20))
        raise error
    assert contents(folder) == {"model": b"old"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
@pytest.mark.parametrize("call", ["open", "fchmod", "write", "fsync", "rename", "link"])
def test_every_call_may_fail(folder, temporary, monkeypatch, call, number):
    if call == "link" and temporary == "named":
        pytest.skip("a named temporary file is not linked")
    fail = fail_with(number)
    real_open = os.open
    if call == "open":
        monkeypatch.setattr(
            writing.os,
            "open",
            lambda path, *rest, **more: fail() if "dir_fd" in more else real_open(path, *rest, **more),
        )
    else:
        monkeypatch.setattr(writing.os, call, fail)
    with pytest.raises(FileError) as caught, atomic_write(folder / "model") as output:
        output.write(b"new")
    monkeypatch.undo()
    assert caught.value.code == "XIR-E901"
    assert caught.value.source.file == str(folder / "model")
    assert caught.value.hint
    assert contents(folder) == {"model": b"old"}


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_folders_that_cannot_be_synced(folder, monkeypatch, number):
    real = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, "")
        real(descriptor)

    monkeypatch.setattr(writing.os, "fsync", fsync)
    if number == errno.EINVAL:
        with atomic_write(folder / "model") as output:
            output.write(b"new")
    else:
        with pytest.raises(FileError, match="folder"), atomic_write(folder / "model") as output:
            output.write(b"new")
    assert contents(folder) == {"model": b"new"}


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EISDIR])
def test_file_systems_without_unnamed_files(folder, monkeypatch, number):
    real = os.open

    def opening(path, flags, *rest, **more):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(number, "")
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(writing.os, "open", opening)
    with atomic_write(folder / "model") as output:
        output.write(b"new")
        assert len(os.listdir(folder)) == 2
    assert contents(folder) == {"model": b"new"}


def test_dev_full_is_a_full_disk(folder, monkeypatch):
    monkeypatch.setattr(writing.OutputFile, "_create", lambda self, _: os.open("/dev/full", os.O_WRONLY))
    monkeypatch.setattr(writing.os, "fchmod", lambda *_: None)
    with pytest.raises(FileError, match="No space left on device"), atomic_write(folder / "model") as output:
        output.write(b"new")
    assert contents(folder) == {"model": b"old"}


SCRIPT = textwrap.dedent(
    """
    import os, sys, time
    from xir.files import atomic_group, atomic_write
    from xir.errors import FileError
    if sys.argv[2] == "named":
        del os.O_TMPFILE
    """
)


def script(body, folder, temporary="unnamed", prefix=()):
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", SCRIPT + textwrap.dedent(body), str(folder), temporary],
        cwd=REPOSITORY,
        env=unmeasured({**os.environ, "PYTHONPATH": str(REPOSITORY)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_limit_on_file_size_is_like_a_full_disk(folder, temporary):
    process = script(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            with atomic_write(sys.argv[1] + "/model") as output:
                for _ in range(40):
                    output.write(b"x" * 100_000)
        except FileError as error:
            print(error.code, error.hint)
        """,
        folder,
        temporary,
    )
    out, err = process.communicate(timeout=60)
    assert out.startswith("XIR-E901 the file is larger"), err
    assert contents(folder) == {"model": b"old"}


def test_a_disk_that_is_really_full(tmp_path):
    unshare = shutil.which("unshare")
    mount = ["--user", "--map-root-user", "--mount"]
    if unshare is None or subprocess.run([unshare, *mount, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here: a small file system cannot be mounted")
    shell = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
    process = script(
        """
        folder = sys.argv[1]
        open(folder + "/model", "w").write("old")
        try:
            with atomic_group(folder + "/model") as group:
                data = group.data()
                group.name(data, "data")
                data.write(b"x" * 700_000)
                group.model.write(b"x" * 700_000)
        except FileError as error:
            print(error.code, error.message)
        print(os.listdir(folder), open(folder + "/model").read(), os.statvfs(folder).f_bavail > 200)
        """,
        tmp_path,
        prefix=[unshare, *mount, "sh", "-c", shell, str(tmp_path)],
    )
    out, err = process.communicate(timeout=60)
    lines = out.splitlines()
    assert lines[0].startswith("XIR-E901 cannot write the file: No space"), err
    assert lines[1] == "['model'] old True"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_signals_in_the_middle_leave_the_old_file(folder, temporary, number):
    process = script(
        """
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with atomic_group(sys.argv[1] + "/model") as group:
            data = group.data()
            group.name(data, "data")
            data.write(b"x" * (2 << 20))
            group.model.write(b"x" * (2 << 20))
            print("ready", flush=True)
            while True:
                time.sleep(0.01)
        """,
        folder,
        temporary,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (-number, 130)
    if number == signal.SIGINT:
        assert "KeyboardInterrupt" in err
    left = contents(folder)
    assert left.pop("model") == b"old"
    if number == signal.SIGINT or temporary == "unnamed":
        assert left == {}
    else:
        assert all(name.startswith(".xir-") for name in left)
