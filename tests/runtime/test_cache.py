"""The object cache: what is stored comes back, and nothing else ever does."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from xir.runtime import cache as module
from xir.runtime.cache import Cache, cache_folder, key_of

KEY, OTHER = key_of(["a"]), key_of(["b"])
CONTENT = bytes(range(256)) * 40
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "xir" / "objects"


@pytest.fixture
def cache(folder: Path) -> Cache:
    return Cache(folder)


def entry(folder: Path, key: bytes = KEY) -> Path:
    return folder / (key.hex() + ".xo")


def test_what_is_stored_comes_back(cache, folder):
    assert cache.get(KEY) is None
    cache.put(KEY, CONTENT)
    assert cache.get(KEY) == CONTENT
    assert cache.get(OTHER) is None
    assert [path.name for path in folder.iterdir()] == [entry(folder).name]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert entry(folder).stat().st_mode & 0o777 == 0o600


def test_the_last_content_counts(cache):
    cache.put(KEY, b"old")
    cache.put(KEY, b"new")
    assert cache.get(KEY) == b"new"


def _flip(place: int):
    def flipped(data: bytes) -> bytes:
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    return flipped


POISONS = {
    "magic": _flip(0),
    "key": _flip(9),
    "length": _flip(40),
    "hash": _flip(50),
    "first byte": _flip(80),
    "last byte": lambda data: data[:-1] + bytes([data[-1] ^ 0x80]),
    "truncated": lambda data: data[:-1],
    "cut in the header": lambda data: data[:50],
    "empty": lambda data: b"",
    "longer": lambda data: data + b"\0",
    "another's": lambda data: data.replace(KEY, OTHER),
}


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS)
def test_a_wrong_entry_is_removed(cache, folder, poison):
    cache.put(KEY, CONTENT)
    path = entry(folder)
    path.write_bytes(poison(path.read_bytes()))
    assert cache.get(KEY) is None
    assert not path.exists()
    cache.put(KEY, CONTENT)
    assert cache.get(KEY) == CONTENT


def test_every_bit_of_an_entry_is_verified(cache, folder):
    cache.put(KEY, b"short")
    whole = entry(folder).read_bytes()
    for bit in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        entry(folder).write_bytes(changed)
        assert cache.get(KEY) is None


def test_swapped_entries(cache, folder):
    cache.put(KEY, b"one")
    cache.put(OTHER, b"two")
    first, second = entry(folder), entry(folder, OTHER)
    swapped = second.read_bytes(), first.read_bytes()
    first.write_bytes(swapped[0])
    second.write_bytes(swapped[1])
    assert cache.get(KEY) is None
    assert cache.get(OTHER) is None
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("how", ["symbolic link", "hard link", "pipe", "folder", "writable by others"])
def test_entries_that_somebody_else_can_change(cache, folder, tmp_path, how):
    cache.put(KEY, CONTENT)
    path, aside = entry(folder), tmp_path / "aside"
    match how:
        case "symbolic link":
            path.rename(aside)
            path.symlink_to(aside)
        case "hard link":
            os.link(path, aside)
        case "pipe":
            path.unlink()
            os.mkfifo(path)
        case "folder":
            path.unlink()
            path.mkdir()
        case _:
            path.chmod(0o622)
    assert cache.get(KEY) is None
    assert not os.path.lexists(path) or how == "folder"


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o722, 0o777])
def test_a_folder_that_others_may_write_to_is_not_used(cache, folder, mode):
    cache.put(KEY, CONTENT)
    folder.chmod(mode)
    assert cache.get(KEY) is None
    cache.put(OTHER, CONTENT)
    assert not entry(folder, OTHER).exists()
    folder.chmod(0o700)
    assert cache.get(KEY) == CONTENT


def test_a_link_to_a_folder_is_not_used(cache, folder, tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    folder.parent.mkdir()
    folder.symlink_to(tmp_path / "real")
    cache.put(KEY, CONTENT)
    assert cache.get(KEY) is None
    assert list((tmp_path / "real").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["folder", "entry"])
def test_what_belongs_to_somebody_else_is_not_used(cache, folder, what):
    cache.put(KEY, CONTENT)
    os.chown(folder if what == "folder" else entry(folder), 12345, 12345)
    assert cache.get(KEY) is None


def test_a_folder_that_belongs_to_somebody_else_is_not_used_as_anybody(cache, folder, monkeypatch):
    cache.put(KEY, CONTENT)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert cache.get(KEY) is None
    cache.put(OTHER, CONTENT)
    assert not entry(folder, OTHER).exists()


def test_a_file_where_the_folder_would_be(cache, folder):
    folder.parent.mkdir()
    folder.write_text("")
    cache.put(KEY, CONTENT)
    assert cache.get(KEY) is None
    blocked = Cache(folder / "objects")
    blocked.put(KEY, CONTENT)
    assert blocked.get(KEY) is None


def test_a_full_disk_is_no_error(cache, folder, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    cache.put(OTHER, CONTENT)
    monkeypatch.setattr(os, "write", full)
    cache.put(KEY, CONTENT)
    monkeypatch.undo()
    assert cache.get(KEY) is None
    assert [path.name for path in folder.iterdir()] == [entry(folder, OTHER).name]


def test_no_cache():
    cache = Cache(None)
    cache.put(KEY, CONTENT)
    assert cache.get(KEY) is None


def test_what_was_not_used_for_the_longest_time_goes_first(folder):
    cache = Cache(folder, limit=3 * 1200)
    keys = [key_of([str(number)]) for number in range(4)]
    for age, key in enumerate(keys[:3]):
        cache.put(key, bytes(1000))
        os.utime(entry(folder, key), (1000 + age, 1000 + age))
    assert cache.get(keys[0]) == bytes(1000)  # used just now
    cache.put(keys[3], bytes(1000))
    assert [cache.get(key) is not None for key in keys] == [True, False, True, True]


def test_more_than_the_whole_cache_may_hold_is_not_stored(folder):
    cache = Cache(folder, limit=1000)
    cache.put(KEY, bytes(1000))
    assert cache.get(KEY) is None


def test_an_enormous_entry_is_not_read(cache, folder, monkeypatch):
    cache.put(KEY, CONTENT)
    monkeypatch.setattr(module, "MAX_ENTRY", 100)
    assert cache.get(KEY) is None


def test_keys_are_of_lists_and_not_of_their_joined_text():
    keys = {key_of(parts) for parts in (["ab"], ["a", "b"], ["a", "b", ""], ["", "ab"], [], [""])}
    assert len(keys) == 6
    assert key_of(["a"]) == hashlib.sha256(struct.pack("<QQ", module.FORMAT, 1) + b"a").digest()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XIR_CACHE": "off"}, None),
        ({"XIR_CACHE": "OFF"}, None),
        ({"XIR_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c/objects"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/xir/objects"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/a"}, "/home/a/.cache/xir/objects"),
        ({"HOME": "/home/a"}, "/home/a/.cache/xir/objects"),
        ({"HOME": "nowhere"}, None),
    ],
)
def test_where_the_cache_lies(monkeypatch, environment, expected):
    for name in ("XIR_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == (None if expected is None else Path(expected))


WRITER = """
import sys
from pathlib import Path
from xir.runtime.cache import Cache, key_of
cache = Cache(Path(sys.argv[1]), limit=200_000)
keys = [key_of([str(number)]) for number in range(40)]
for turn in range(8):
    for number, key in enumerate(keys):
        found = cache.get(key)
        assert found in (None, bytes([number]) * 9000), number
        cache.put(key, bytes([number]) * 9000)
print("done")
"""


def test_processes_share_a_folder(folder):
    """Two that write and remove the same entries at the same time, in a folder that holds half of them."""
    command = [sys.executable, "-c", WRITER, str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["done\n", "done\n"]
    assert {path.suffix for path in folder.iterdir()} == {".xo"}
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 200_000
