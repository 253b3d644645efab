"""Stored programs: what was written comes back, mapped, and nothing else ever does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from xir.runtime import store as module
from xir.runtime.cache import key_of
from xir.runtime.store import Store

KEY, OTHER = key_of(["a"]), key_of(["b"])
PARTS = (bytes(range(100)), bytes(range(256)) * 90)
HEAD = b'{"a": 1}'
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "xir" / "programs"


@pytest.fixture
def store(folder: Path) -> Store:
    return Store(folder)


def entry(folder: Path, key: bytes = KEY) -> Path:
    return folder / (key.hex() + ".xp")


def put(store: Store, key: bytes = KEY, parts: tuple[bytes, ...] = PARTS, head: bytes | None = HEAD) -> list[int]:
    with store.writer(key, sum(map(len, parts))) as writer:
        if writer is None:
            return []
        places: list[int] = []
        for part in parts:
            places.append(writer.place())
            writer.write(part)
        writer.head = head
        return places


def is_whole(store: Store, key: bytes = KEY) -> bool:
    found = store.get(key)
    return found is not None and found.head == HEAD and bytes(found.data.view()[128:]) == PARTS[1]


def test_what_is_stored_comes_back(store, folder):
    assert store.get(KEY) is None
    assert put(store) == [0, 128]
    found = store.get(KEY)
    assert found is not None
    assert found.head == HEAD
    assert bytes(found.data.view()) == PARTS[0] + bytes(28) + PARTS[1]
    assert store.get(OTHER) is None
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_an_entry_without_a_head_is_none(store, folder):
    put(store, head=None)
    assert store.get(KEY) is None
    assert list(folder.iterdir()) == []


def test_an_entry_that_was_replaced_or_removed_stays_for_who_has_it(store, folder):
    put(store)
    found = store.get(KEY)
    put(store, parts=(b"other",))
    os.unlink(entry(folder))
    assert found is not None
    assert bytes(found.data.view()[128:]) == PARTS[1]


def _flip(place: int):
    def flipped(data: bytes) -> bytes:
        place_ = place % len(data)
        return data[:place_] + bytes([data[place_] ^ 1]) + data[place_ + 1 :]

    return flipped


POISONS = {
    "first byte": _flip(0),
    "between weights": _flip(110),
    "last weight": _flip(128 + len(PARTS[1]) - 1),
    "head": _flip(128 + len(PARTS[1]) + 2),
    "magic": _flip(-120),
    "key": _flip(-110),
    "sizes": _flip(-80),
    "hash of the data": _flip(-60),
    "hash of the head": _flip(-1),
    "truncated": lambda data: data[:-1],
    "without its footer": lambda data: data[:-120],
    "empty": lambda data: b"",
    "longer": lambda data: data + b"\0",
    "another's": lambda data: data.replace(KEY, OTHER),
}


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS)
def test_a_wrong_entry_is_removed(store, folder, poison):
    put(store)
    assert is_whole(store)
    path = entry(folder)
    path.write_bytes(poison(path.read_bytes()))
    assert store.get(KEY) is None
    assert list(folder.iterdir()) == []
    put(store)
    assert is_whole(store)


def test_a_change_in_place_that_hides_its_time_is_found(store, folder):
    put(store)
    path = entry(folder)
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"\xff")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.get(KEY) is None


def test_data_is_hashed_once_for_each_state_of_the_file(store, folder, monkeypatch):
    hashed: list[str] = []
    whole = module.FileSlice.sha256
    monkeypatch.setattr(module.FileSlice, "sha256", lambda part: hashed.append(part.path) or whole(part))
    put(store)
    assert [is_whole(store) for _ in range(3)] == [True] * 3
    assert len(hashed) == 0
    entry(folder).touch()
    assert [is_whole(store) for _ in range(3)] == [True] * 3
    assert len(hashed) == 1
    monkeypatch.setattr(module, "START", str(ROOT / "pyproject.toml"))  # the machine was started anew
    assert [is_whole(store) for _ in range(3)] == [True] * 3
    assert len(hashed) == 2
    monkeypatch.setattr(module, "START", str(ROOT / "nothing"))
    assert [is_whole(store) for _ in range(2)] == [True] * 2
    assert len(hashed) == 4


@pytest.mark.parametrize("how", ["symbolic link", "hard link", "pipe", "writable by others"])
def test_entries_that_somebody_else_can_change(store, folder, tmp_path, how):
    put(store)
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
        case _:
            path.chmod(0o622)
    assert store.get(KEY) is None
    assert not os.path.lexists(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["folder", "entry"])
def test_what_belongs_to_somebody_else_is_not_used(store, folder, what):
    put(store)
    os.chown(folder if what == "folder" else entry(folder), 12345, 12345)
    assert store.get(KEY) is None
    if what == "folder":
        assert put(store, OTHER) == []


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o722])
def test_a_folder_that_others_may_write_to_is_not_used(store, folder, mode):
    put(store)
    folder.chmod(mode)
    assert store.get(KEY) is None
    assert put(store, OTHER) == []


def test_a_full_disk_leaves_nothing(store, folder, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(module.FileError, match="No space"):
        put(store)
    monkeypatch.undo()
    assert store.get(KEY) is None
    assert list(folder.iterdir()) == []


def test_what_would_fill_the_disk_is_not_stored(store, monkeypatch):
    monkeypatch.setattr(module, "_free", lambda folder: 4 * sum(map(len, PARTS)) - 1)
    assert put(store) == []


def test_what_was_not_used_for_the_longest_time_goes_first(folder):
    store = Store(folder, limit=3 * 30_000)
    keys = [key_of([str(number)]) for number in range(4)]
    for age, key in enumerate(keys[:3]):
        put(store, key)
        for path in folder.iterdir():
            if path.stat().st_mtime > 2000:
                os.utime(path, (1000 + age, 1000 + age))
    assert is_whole(store, keys[0])  # used just now
    put(store, keys[3])
    assert [is_whole(store, key) for key in keys] == [True, False, True, True]
    assert len(list(folder.iterdir())) == 6
    assert put(store, OTHER, parts=(bytes(100_000),)) == []


WRITER = """
import sys
from pathlib import Path
from xir.runtime.cache import key_of
from xir.runtime.store import Store
store = Store(Path(sys.argv[1]), limit=200_000)
keys = [key_of([str(number)]) for number in range(12)]
for turn in range(5):
    for number, key in enumerate(keys):
        found = store.get(key)
        assert found is None or bytes(found.data.view()) == bytes([number]) * 30_000, number
        with store.writer(key, 30_000) as writer:
            writer.write(bytes([number]) * 30_000)
            writer.head = b"{}"
print("done")
"""


def test_processes_share_a_folder(folder):
    """Two that write and remove the same entries at the same time, in a folder that holds half of them."""
    command = [sys.executable, "-c", WRITER, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in running] == ["done\n"] * 2
    assert sum(path.stat().st_size for path in folder.iterdir() if path.suffix == ".xp") <= 240_000
    assert not list(folder.glob(".*"))
