"""Machine code from the cache: the same code, no text parsed, and poisoned entries compiled anew."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from pathlib import Path

import pytest
from llvmlite import binding

from xir.backends.codegen.engine import Code, assemble, host

TEXT = "define i64 @answer(i64 %x) {{\n  %y = add i64 %x, {}\n  ret i64 %y\n}}\n"


@pytest.fixture(autouse=True)
def objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XIR_CACHE", str(tmp_path))
    return tmp_path / "objects"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that LLVM was given."""
    texts: list[str] = []
    parse = binding.parse_assembly

    def noted(text: str) -> binding.ModuleRef:
        if text:
            texts.append(text)
        return parse(text)

    monkeypatch.setattr(binding, "parse_assembly", noted)
    return texts


def call(code: Code) -> int:
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(code.address("answer"))(1)


def test_the_second_time_nothing_is_parsed(parsed, objects):
    for _ in range(3):
        assert call(assemble(TEXT.format(41), host())) == 42
    assert parsed == [TEXT.format(41)]
    assert len(list(objects.iterdir())) == 1


def test_without_a_cache_everything_is_compiled(parsed, objects, monkeypatch):
    monkeypatch.setenv("XIR_CACHE", "off")
    for _ in range(2):
        assert call(assemble(TEXT.format(41), host())) == 42
    assert len(parsed) == 2
    assert not objects.exists()


def test_everything_that_decides_the_code_is_in_the_key(parsed):
    machine = host()
    assemble(TEXT.format(1), machine)
    assemble(TEXT.format(2), machine)
    assemble(TEXT.format(1), machine, level=1)
    assemble(TEXT.format(1), replace(machine, cpu="x86-64-v3"))
    assemble(TEXT.format(1), replace(machine, features=machine.features + ",-bmi2"))
    assert len(parsed) == 5


@pytest.mark.parametrize("place", [0, 20, 44, 60, 200, -1])
def test_a_flipped_entry_is_compiled_anew(parsed, objects, place):
    assemble(TEXT.format(41), host())
    (entry,) = objects.iterdir()
    data = bytearray(entry.read_bytes())
    data[place] ^= 0x10
    entry.write_bytes(data)
    assert call(assemble(TEXT.format(41), host())) == 42
    assert len(parsed) == 2
    assert call(assemble(TEXT.format(41), host())) == 42
    assert len(parsed) == 2


def test_entries_that_were_swapped_are_compiled_anew(parsed, objects):
    assemble(TEXT.format(41), host())
    (first,) = objects.iterdir()
    assemble(TEXT.format(1), host())
    (second,) = set(objects.iterdir()) - {first}
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    assert call(assemble(TEXT.format(41), host())) == 42
    assert call(assemble(TEXT.format(1), host())) == 2
    assert len(parsed) == 4
