"""Pages that are given back: those of a library's file and no others."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from xir.runtime import resident as module
from xir.runtime.resident import give_back

MAPS = """\
1000-3000 r-xp 00000000 fe:00 12 /lib/libone.so
Rss:                  8 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
3000-5000 r--p 00002000 fe:00 12 /lib/libone.so
Rss:                  8 kB
Anonymous:             4 kB
5000-6000 rw-p 00004000 fe:00 12 /lib/libone.so
Anonymous:             0 kB
6000-8000 r--p 00000000 fe:00 13 /folder of libone/libtwo.so
Anonymous:             0 kB
8000-9000 r--p 00000000 00:00 0
Anonymous:             0 kB
9000-a000 r--p 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
a000-c000 r--p 00000000 fe:00 12 /a folder/libone-1.so (deleted)
Anonymous:             0 kB
"""


class Functions:
    def __init__(self) -> None:
        self.given: list[tuple[int | None, int, int]] = []
        self.trimmed = 0

    def madvise(self, start: ctypes.c_void_p, size: ctypes.c_size_t, advice: int) -> None:
        self.given.append((start.value, size.value, advice))

    def malloc_trim(self, pad: ctypes.c_size_t) -> None:
        self.trimmed += 1


def test_what_was_never_written_to_is_given_back(tmp_path, monkeypatch):
    functions = Functions()
    (tmp_path / "smaps").write_text(MAPS)
    monkeypatch.setattr(module, "MAPS", tmp_path / "smaps")
    monkeypatch.setattr(module.ctypes, "CDLL", lambda name: functions)
    give_back("libone")
    assert functions.given == [(0x1000, 0x2000, 4), (0xA000, 0x2000, 4)]
    assert functions.trimmed == 1


def test_where_nothing_is_told_nothing_is_done(tmp_path, monkeypatch):
    functions = Functions()
    monkeypatch.setattr(module, "MAPS", tmp_path / "smaps")
    monkeypatch.setattr(module.ctypes, "CDLL", lambda name: functions)
    give_back("libone")
    assert functions.given == []


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux describes the memory of a process")
def test_the_compiler_works_afterwards():
    from xir.backends.codegen.engine import assemble, host

    text = "define i64 @one(i64 %a) {{\n  %b = add i64 %a, {}\n  ret i64 %b\n}}\n"
    for number in (1, 2):
        code = assemble(text.format(number), host())
        give_back("libllvmlite")
        assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(code.address("one"))(40) == 40 + number
