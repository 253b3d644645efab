"""Hashes of weights: those of the bytes, looked up only for files that lie still."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from xir.errors import FileError
from xir.files import open_mapped
from xir.ir.constant import Constant, constant_of
from xir.ir.types import DType, TensorType
from xir.runtime import digests as module
from xir.runtime.cache import Cache
from xir.runtime.digests import digests


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "digests")


def constants(path: Path) -> list[Constant]:
    file, type = open_mapped(path), TensorType(DType.UINT8, (1000,))
    return [Constant(type, file.slice(start, 1000)) for start in (0, 500, 3000)]


def expected(path: Path) -> list[str]:
    data = path.read_bytes()
    return [hashlib.sha256(data[start : start + 1000]).hexdigest() for start in (0, 500, 3000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "weights"
    made.write_bytes(bytes(range(256)) * 20)
    return made


@pytest.fixture
def hashed(monkeypatch) -> list[int]:
    done: list[int] = []
    whole = module.FileSlice.sha256
    monkeypatch.setattr(module.FileSlice, "sha256", lambda part: done.append(part.offset) or whole(part))
    return done


def found(path: Path, cache: Cache) -> list[str]:
    held = constants(path)
    made = digests(held, cache)
    return [made[each] for each in held]


def test_of_arrays(cache):
    array = constant_of(np.arange(9, dtype=np.float32))
    assert digests([array], cache) == {array: hashlib.sha256(np.arange(9, dtype="<f4").tobytes()).hexdigest()}


def test_a_file_that_was_just_written_is_hashed_each_time(path, cache, hashed):
    for number in (1, 2):
        assert found(path, cache) == expected(path)
        assert len(hashed) == 3 * number


def test_a_file_that_lies_still_is_hashed_once(path, cache, hashed, monkeypatch):
    monkeypatch.setattr(module, "STILL", -1)
    monkeypatch.setattr(module, "SMALL", 0)
    for _ in range(2):
        assert found(path, cache) == expected(path)
    assert len(hashed) == 3


def test_few_bytes_are_hashed_each_time(path, cache, hashed, monkeypatch):
    monkeypatch.setattr(module, "STILL", -1)
    for _ in range(2):
        found(path, cache)
    assert len(hashed) == 6


@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_a_changed_file_is_hashed_anew(path, cache, monkeypatch, how):
    monkeypatch.setattr(module, "STILL", -1)
    monkeypatch.setattr(module, "SMALL", 0)
    before = found(path, cache)
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[3100] ^= 1
    if how == "replaced":
        path.unlink()
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = found(path, cache)
    assert after == expected(path)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False]


def test_a_file_that_changed_since_it_was_opened(path, cache):
    held = constants(path)
    path.write_bytes(b"short")
    with pytest.raises(FileError, match="changed"):
        digests(held, cache)
