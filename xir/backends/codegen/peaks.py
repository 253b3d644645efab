"""What this machine can do at most, measured by loops of our own: multiplications and additions, and moved bytes."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xir.backends.codegen.engine import Machine, assemble, host
from xir.backends.codegen.llvm.meet import team_for
from xir.runtime.processors import thread_count
from xir.runtime.team import Team

CHAINS = 12
"""Sums that do not wait for one another: FMA takes 4 cycles and 2 begin in each (Agner Fog, instruction tables)."""
ROUNDS = 400_000
"""Rounds of all chains in a measurement: about a millisecond."""
BYTES = 1 << 26
"""Bytes that are copied: more than the caches of most machines hold."""
MEASUREMENTS = 40
"""Of each peak; the best counts, as all threads must have had a processor at the same time."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """The most that was measured.

    Attributes:
        flops: floating-point operations a second in f32; a fused multiplication and addition is two.
        bytes: bytes a second that a copy through memory reads and writes, both counted.
        threads: the threads that did it.
    """

    flops: float
    bytes: float
    threads: int

    def to_dict(self) -> dict[str, object]:
        """The peaks as plain data."""
        return {"flops": self.flops, "bytes": self.bytes, "threads": self.threads}


def measured_peaks(threads: int | None = None) -> Peaks:
    """Measures the machine; it takes about 0.3 s.

    Args:
        threads: at most so many; None for as many as the process has processors.

    Raises:
        UsageError: if `threads` is no whole number from 1 on.
        UnsupportedError: if the machine is no Linux on x86-64 with AVX2.
        MissingExtraError: if llvmlite is not installed.
    """
    count = thread_count(threads)
    machine = host()
    code = assemble(_text(machine), machine)
    team = team_for(count)
    width = 4 * machine.lanes
    source = np.full(BYTES // 4 + 32, 1, np.float32)
    target = np.full(BYTES // 4 + 32, 2, np.float32)
    table = np.array([source.ctypes.data + -source.ctypes.data % 64, target.ctypes.data + -target.ctypes.data % 64])
    numbers = np.array([ROUNDS, BYTES // (4 * width)], np.int64)
    seconds = {
        name: _least(_bound(code.address(name), table.ctypes.data, numbers.ctypes.data, team, count))
        for name in ("multiply", "copy")
    }
    flops = 2 * machine.lanes * CHAINS * ROUNDS * count
    return Peaks(flops / seconds["multiply"], 2 * BYTES / seconds["copy"], count)


def _bound(address: int, table: int, numbers: int, team: Team | None, workers: int) -> Callable[[], None]:
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 2, ctypes.c_void_p)
    alone = prototype(address)

    def run() -> None:
        if team is None or not team.run(address, table, numbers, workers):
            for worker in range(workers):  # nobody helps now: the same work, one part after another
                alone(table, numbers, worker, workers, 0)

    return run


def _least(call: Callable[[], None]) -> float:
    """The least seconds of several calls: what else the machine does only adds."""
    call()
    found: list[float] = []
    for _ in range(MEASUREMENTS):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return max(min(found), 1e-9)


_GIVEN = "ptr %table, ptr %sizes, i64 %worker, i64 %workers, ptr %team"


def _text(machine: Machine) -> str:
    """`@multiply` and `@copy` as stretches: (table of buffers, table of sizes, worker, workers, team)."""
    return _multiply(machine.lanes) + _copy(machine.lanes)


def _multiply(lanes: int) -> str:
    """Chains of `s = s * a + b` on vectors; the sums are stored, so that nobody leaves them out."""
    kind, function, bytes = f"<{lanes} x float>", f"llvm.fma.v{lanes}f32", 4 * lanes
    sums = [f"  %s{n} = phi {kind} [ %a, %begin ], [ %t{n}, %loop ]" for n in range(CHAINS)]
    steps = [f"  %t{n} = call {kind} @{function}({kind} %s{n}, {kind} %a, {kind} %b)" for n in range(CHAINS)]
    joined = [f"  %u0 = fadd {kind} %t0, %a"]
    joined += [f"  %u{n} = fadd {kind} %t{n}, %u{n - 1}" for n in range(1, CHAINS)]
    lines = "\n".join
    return f"""\
declare {kind} @{function}({kind}, {kind}, {kind})

define void @multiply({_GIVEN}) nounwind {{
begin:
  %source = load ptr, ptr %table, align 8
  %place = getelementptr ptr, ptr %table, i64 1
  %target = load ptr, ptr %place, align 8
  %rounds = load i64, ptr %sizes, align 8
  %a = load {kind}, ptr %source, align {bytes}
  %b = load {kind}, ptr %target, align {bytes}
  br label %loop
loop:
  %i = phi i64 [ 0, %begin ], [ %next, %loop ]
{lines(sums)}
{lines(steps)}
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %rounds
  br i1 %more, label %loop, label %done
done:
{lines(joined)}
  %apart = mul i64 %worker, 256
  %own = add i64 %apart, 256
  %result = getelementptr i8, ptr %target, i64 %own
  store {kind} %u{CHAINS - 1}, ptr %result, align {bytes}
  ret void
}}
"""


def _copy(lanes: int) -> str:
    """Each worker copies its part, four vectors a step."""
    kind, bytes = f"<{lanes} x float>", 4 * lanes
    moves: list[str] = []
    for part in range(4):
        moves += [
            f"  %p{part} = getelementptr i8, ptr %from, i64 {part * bytes}",
            f"  %q{part} = getelementptr i8, ptr %to, i64 {part * bytes}",
            f"  %v{part} = load {kind}, ptr %p{part}, align {bytes}",
            f"  store {kind} %v{part}, ptr %q{part}, align {bytes}",
        ]
    lines = "\n".join
    return f"""
define void @copy({_GIVEN}) nounwind {{
begin:
  %source = load ptr, ptr %table, align 8
  %place = getelementptr ptr, ptr %table, i64 1
  %target = load ptr, ptr %place, align 8
  %second = getelementptr i64, ptr %sizes, i64 1
  %total = load i64, ptr %second, align 8
  %before = mul i64 %total, %worker
  %first = udiv i64 %before, %workers
  %after = add i64 %before, %total
  %last = udiv i64 %after, %workers
  br label %look
look:
  %i = phi i64 [ %first, %begin ], [ %next, %move ]
  %more = icmp ult i64 %i, %last
  br i1 %more, label %move, label %done
move:
  %offset = mul i64 %i, {4 * bytes}
  %from = getelementptr i8, ptr %source, i64 %offset
  %to = getelementptr i8, ptr %target, i64 %offset
{lines(moves)}
  %next = add i64 %i, 1
  br label %look
done:
  ret void
}}
"""
