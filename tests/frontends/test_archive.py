"""Archives: members are where two readers would both find them, or the file is refused."""

from __future__ import annotations

import io
import zipfile

import pytest

from tests.frontends.archives import Member, archive_bytes, open_archive, torch_archive
from xir.errors import FormatError, InvalidModelError, UnsafeError, UnsupportedError, XirError
from xir.files import FileSlice, open_mapped
from xir.frontends._archive import Archive


def test_members_go_by_their_path_below_the_one_folder(tmp_path):
    archive = open_archive(tmp_path, torch_archive({"data.pkl": b"abc", "data/0": b"defg", ".data/id": b"1"}))
    assert (archive.folder, list(archive.members)) == ("archive/", ["data.pkl", "data/0", ".data/id"])
    assert [(name, member.size) for name, member in archive.below("data/")] == [("0", 4)]
    assert archive.read("data.pkl", 3) == b"abc"
    assert "data/1" not in archive


def test_members_of_several_folders_keep_their_paths(tmp_path):
    archive = open_archive(tmp_path, archive_bytes([Member("a/x", b"1"), Member("b/x", b"2"), Member("version", b"3")]))
    assert (archive.folder, list(archive.members)) == ("", ["a/x", "b/x", "version"])


def test_stored_members_are_mapped_where_they_lie(tmp_path):
    content = open_archive(tmp_path, torch_archive({"data/0": bytes(range(200))})).content("data/0")
    assert isinstance(content, FileSlice)
    assert (content.offset % 64, bytes(content.view())) == (0, bytes(range(200)))


def test_deflated_members_are_unpacked(tmp_path):
    text = b"all work and no play " * 1000
    archive = open_archive(tmp_path, archive_bytes([Member("a/x", text, deflate=True)]))
    assert archive.content("x") == text
    assert archive.read("x", len(text)) == text
    with pytest.raises(UnsafeError, match="at most 10 are taken"):
        archive.read("x", 10)


def test_an_archive_in_an_archive_is_read_where_it_lies(tmp_path):
    outer = open_archive(tmp_path, torch_archive({"inner.pt": torch_archive({"data.pkl": b"abc"}, "inner")}))
    assert Archive(outer["inner.pt"].data).read("data.pkl", 3) == b"abc"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("seekable", [True, False])
def test_archives_of_other_writers(tmp_path, method, seekable):
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return seekable

        def tell(self) -> int:
            if not seekable:
                raise OSError
            return super().tell()

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", method) as file:
        file.writestr("m/", b"")
        file.writestr("m/data.pkl", b"abc" * 100)
        with file.open("m/data/0", "w", force_zip64=True) as member:
            member.write(b"weights" * 100)
    archive = open_archive(tmp_path, pipe.getvalue())
    assert archive.read("data.pkl", 1000) == b"abc" * 100
    assert archive.read("data/0", 1000) == b"weights" * 100


GOOD = torch_archive({"data.pkl": b"abc", "data/0": bytes(100)})
TWO = [Member("a/x", b"1" * 100), Member("a/y", b"2" * 100)]
BOMB = Member("a/x", bytes(40 << 20), deflate=True)

WRONG = {
    "empty": (b"", FormatError),
    "another format": (b"no archive" * 100, FormatError),
    "cut short": (GOOD[:-30], FormatError),
    "end only": (b"PK\x03\x04" + GOOD[-22:], InvalidModelError),
    "something before it": (GOOD[:100] + GOOD, InvalidModelError),
    "something behind it": (GOOD + b"x", FormatError),
    "a comment": (torch_archive({"x": b""}, comment=b"x" * 22), FormatError),
    "a comment with a second end": (torch_archive({"x": b""}, wide=False, comment=GOOD), InvalidModelError),
    "a comment that starts with an end": (GOOD[:-2] + b"\x05\x00", UnsafeError),
    "several disks": (torch_archive({"x": b""}, end={"disk": 1}), UnsafeError),
    "more members than there are": (torch_archive({"x": b""}, end={"count": 2}), InvalidModelError),
    "fewer members than there are": (torch_archive({"x": b"", "y": b""}, end={"count": 1}), InvalidModelError),
    "a million members": (torch_archive({"x": b""}, wide=False, end={"count": 65535}), InvalidModelError),
    "directory elsewhere": (torch_archive({"x": b""}, end={"start": 0}), InvalidModelError),
    "endless directory": (torch_archive({"x": b""}, end={"length": 1 << 31}), UnsafeError),
    "two directories": (torch_archive({"x": b""}, end={"short length": 7}), InvalidModelError),
    "64-bit directory elsewhere": (torch_archive({"x": b""}, end={"record": 1 << 40}), InvalidModelError),
    "one name twice": (archive_bytes([Member("a/x", b"1"), Member("a/x", b"2")]), InvalidModelError),
    "parent": (archive_bytes([Member("a/../../x")]), UnsafeError),
    "absolute": (archive_bytes([Member("/etc/passwd")]), UnsafeError),
    "backslash": (archive_bytes([Member("a\\..\\x")]), UnsafeError),
    "drive": (archive_bytes([Member("c:x")]), UnsafeError),
    "nul": (archive_bytes([Member("a/x\0y")]), UnsafeError),
    "no name": (archive_bytes([Member("")]), UnsafeError),
    "dots": (archive_bytes([Member("a/./x")]), UnsafeError),
    "not UTF-8": (archive_bytes([Member(b"a/\xff")]), FormatError),
    "another local name": (archive_bytes([Member("a/x", local_name=b"a/y")]), InvalidModelError),
    "another local size": (archive_bytes([Member("a/x", b"12", local={"unpacked": 1})]), InvalidModelError),
    "another local checksum": (archive_bytes([Member("a/x", b"12", local={"checksum": 1})]), InvalidModelError),
    "another local method": (archive_bytes([Member("a/x", b"12", local={"method": 8})]), InvalidModelError),
    "other local flags": (archive_bytes([Member("a/x", b"12", local={"flags": 8})]), InvalidModelError),
    "encrypted": (archive_bytes([Member("a/x", b"12", flags=1)]), UnsafeError),
    "strongly encrypted": (archive_bytes([Member("a/x", b"12", flags=0x41)]), UnsafeError),
    "bzip2": (archive_bytes([Member("a/x", b"12", method=12)]), UnsupportedError),
    "stored in two sizes": (archive_bytes([Member("a/x", b"12", unpacked=3)]), InvalidModelError),
    "past the end": (archive_bytes([Member("a/x", b"12", packed=9999, unpacked=9999)]), InvalidModelError),
    "64-bit size that is absent": (archive_bytes([Member("a/x", unpacked=0xFFFFFFFF)]), InvalidModelError),
    "no header": (archive_bytes([Member("a/x", b"12", header=7)]), InvalidModelError),
    "header behind the end": (archive_bytes([Member("a/x", b"12", header=1 << 30)]), InvalidModelError),
    "overlapping": (archive_bytes([Member("a/x", b"PK", packed=150, unpacked=150), TWO[1]]), InvalidModelError),
    "two members at one place": (
        archive_bytes([TWO[0], Member("a/x2", header=0, local_name=b"a/x2")]),
        InvalidModelError,
    ),
    "bomb": (archive_bytes([BOMB]), UnsafeError),
    "bomb of many": (
        archive_bytes([Member(f"a/{n}", bytes(15 << 20), deflate=True) for n in range(5)]),
        UnsafeError,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_archives_are_refused(tmp_path, name):
    data, kind = WRONG[name]
    with pytest.raises(XirError) as raised:
        open_archive(tmp_path, data)
    assert type(raised.value) is kind, raised.value
    assert raised.value.source.file is not None


@pytest.mark.parametrize(
    "member",
    [
        Member("a/x", b"abc" * 100, deflate=True, unpacked=299),
        Member("a/x", b"abc" * 100, deflate=True, unpacked=301),
        Member("a/x", b"abc" * 100, deflate=True, checksum=1),
        Member("a/x", b"no deflate stream", method=8),
    ],
)
def test_damaged_packed_bytes_are_refused(tmp_path, member):
    archive = open_archive(tmp_path, archive_bytes([member]))
    with pytest.raises(InvalidModelError, match="are damaged"):
        archive.content("x")


def test_a_member_that_is_absent_is_named(tmp_path):
    with pytest.raises(InvalidModelError, match=r"no member 'data\.pkl'"):
        open_archive(tmp_path, torch_archive({"x": b""}))["data.pkl"]


def test_real_archives_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.zeros(3)}, tmp_path / "file.pt")
    archive = Archive(open_mapped(tmp_path / "file.pt").whole())
    assert archive["data/0"].size == 12
    assert archive["data/0"].data.offset % 64 == 0
