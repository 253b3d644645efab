"""How workers wait for one another, as LLVM text: the meeting between phases, and what a team of threads runs.

A word of memory that others wait for is looked at for a bounded time, with `pause` between two looks; then the waiter
sleeps in futex(2), which the kernel refuses if the word has changed by then. Beside each such word stands how many
sleep (or are about to): whoever changes the word asks the kernel to wake them only if that is not zero. Both sides use
sequentially consistent operations, so either the waiter sees the new word or the other side sees the waiter.
(Drepper, "Futexes Are Tricky", 2011; the meeting is the sense-reversing barrier of Mellor-Crummey and Scott,
"Algorithms for Scalable Synchronization on Shared-Memory Multiprocessors", 1991, with a count for the sense.)
"""

from __future__ import annotations

import ctypes
from functools import cache

from xir.backends.codegen.engine import assemble, host
from xir.runtime.team import (
    CALLER_PLACE,
    GENERATION,
    MAILBOX,
    MAILBOXES,
    NUMBER_PLACE,
    PROCESS_PLACE,
    TEAM_PLACE,
    Team,
    TeamCode,
    shared_team,
)

FUTEX = {"x86_64": 202, "aarch64": 98}
"""{architecture: number of the system call} (Linux, arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h)."""
MASK_WORDS = 16
"""Words of 64 bits in a set of processors, as in glibc's cpu_set_t; systems with more processors are left alone."""
WAIT, WAKE = 128, 129
"""To wait and to wake within one process (futex(2): FUTEX_PRIVATE_FLAG)."""
PAUSE = {"x86_64": ("llvm.x86.sse2.pause", "", ""), "aarch64": ("llvm.aarch64.hint", "i32 immarg", "i32 1")}
"""{architecture: the instruction between two looks, its parameter, its argument}; hint 1 is YIELD."""
LOOKS = 4_000
"""Looks before a worker sleeps, at a meeting and between two calls.

A `pause` takes 40 to 140 cycles (Agner Fog, instruction tables; 31 ns on the reference machine), so others are looked
for during 60 to 200 microseconds. That has to be longer than it takes to be woken: with 1,000 looks those who slept at
one meeting came too late to the next, and R-Net's calls took 50 microseconds or 500.
"""

TEAM_FUNCTIONS = (
    "i32 @sched_getcpu()",
    "i32 @sched_getaffinity(i32, i64, ptr)",
    "i32 @sched_setaffinity(i32, i64, ptr)",
)
"""What `TEAM` calls of the C library (sched_getcpu(3), sched_setaffinity(2))."""

_PART = f"""\
define internal void @part(i32 %caller, i32 %process) nounwind noinline {{
  %mask = alloca [{MASK_WORDS} x i64], align 8
  %mine = call i32 @sched_getcpu()
  %same = icmp eq i32 %mine, %caller
  %known = icmp ult i32 %caller, {64 * MASK_WORDS}
  %both = and i1 %same, %known
  br i1 %both, label %ask, label %done
ask:
  %failed = call i32 @sched_getaffinity(i32 %process, i64 {8 * MASK_WORDS}, ptr %mask)
  %told = icmp eq i32 %failed, 0
  br i1 %told, label %leave, label %done
leave:
  %wide = zext i32 %caller to i64
  %index = lshr i64 %wide, 6
  %bit = and i64 %wide, 63
  %place = getelementptr i64, ptr %mask, i64 %index
  %word = load i64, ptr %place, align 8
  %one = shl i64 1, %bit
  %rest = xor i64 %one, -1
  %left = and i64 %word, %rest
  store i64 %left, ptr %place, align 8
  %r = call i32 @sched_setaffinity(i32 0, i64 {8 * MASK_WORDS}, ptr %mask)
  br label %done
done:
  ret void
}}
"""
"""`@part(caller, process)`: leaves the processor on which the caller runs, where the process has another one.

Whom the caller wakes may be put on the caller's own processor though others stand still: in a virtual machine the
system takes a processor that sleeps for one that was taken away (`available_idle_cpu`, kernel/sched/sched.h in Linux).
Two who share a processor wait at each meeting until one of them sleeps, and so until the system balances its load: a
call of R-Net took 500 microseconds instead of 50. The worker's set of processors becomes that of the process's first
thread as it is now (sched_getaffinity(2)) without the caller's; the kernel refuses an empty set, and the worker stays.
"""

TEAM = f"""\
{_PART}
define ptr @work(ptr %mailbox) nounwind {{
  %sleepers = getelementptr i8, ptr %mailbox, i64 4
  %p1 = getelementptr i8, ptr %mailbox, i64 8
  %p2 = getelementptr i8, ptr %mailbox, i64 16
  %p3 = getelementptr i8, ptr %mailbox, i64 24
  %p4 = getelementptr i8, ptr %mailbox, i64 32
  %p5 = getelementptr i8, ptr %mailbox, i64 {TEAM_PLACE}
  %p6 = getelementptr i8, ptr %mailbox, i64 {NUMBER_PLACE}
  %team = load ptr, ptr %p5, align 8
  %number = load i64, ptr %p6, align 8
  %p7 = getelementptr i8, ptr %mailbox, i64 {PROCESS_PLACE}
  %p8 = getelementptr i8, ptr %mailbox, i64 {CALLER_PLACE}
  %process = load i32, ptr %p7, align 4
  br label %wait
wait:
  %turn = phi i32 [ 0, %0 ], [ %new, %go ]
  %new = call i32 @await(ptr %mailbox, ptr %sleepers, i32 %turn, i64 {LOOKS})
  %caller = load i32, ptr %p8, align 4
  call void @part(i32 %caller, i32 %process)
  %stretch = load ptr, ptr %p1, align 8
  %end = icmp eq ptr %stretch, null
  br i1 %end, label %done, label %go
go:
  %table = load ptr, ptr %p2, align 8
  %sizes = load ptr, ptr %p3, align 8
  %workers = load i64, ptr %p4, align 8
  call void %stretch(ptr %table, ptr %sizes, i64 %number, i64 %workers, ptr %team)
  call void @meet(ptr %team, i64 %workers)
  br label %wait
done:
  ret ptr null
}}

define internal void @tell(ptr %mailbox, ptr %stretch) nounwind {{
  %p1 = getelementptr i8, ptr %mailbox, i64 8
  store ptr %stretch, ptr %p1, align 8
  %sleepers = getelementptr i8, ptr %mailbox, i64 4
  %turn = load atomic i32, ptr %mailbox monotonic, align 4
  %next = add i32 %turn, 1
  call void @post(ptr %mailbox, ptr %sleepers, i32 %next)
  ret void
}}

define void @dismiss(ptr %mailbox) nounwind {{
  call void @tell(ptr %mailbox, ptr null)
  ret void
}}

define void @launch(ptr %team, ptr %stretch, ptr %table, ptr %sizes, i64 %workers) nounwind {{
  %here = call i32 @sched_getcpu()
  %first = getelementptr i8, ptr %team, i64 {MAILBOXES}
  br label %look
look:
  %number = phi i64 [ 1, %0 ], [ %next, %call ]
  %more = icmp ult i64 %number, %workers
  br i1 %more, label %call, label %go
call:
  %offset = mul i64 %number, {MAILBOX}
  %mailbox = getelementptr i8, ptr %first, i64 %offset
  %p2 = getelementptr i8, ptr %mailbox, i64 16
  %p3 = getelementptr i8, ptr %mailbox, i64 24
  %p4 = getelementptr i8, ptr %mailbox, i64 32
  store ptr %table, ptr %p2, align 8
  store ptr %sizes, ptr %p3, align 8
  store i64 %workers, ptr %p4, align 8
  %p5 = getelementptr i8, ptr %mailbox, i64 {CALLER_PLACE}
  store i32 %here, ptr %p5, align 4
  call void @tell(ptr %mailbox, ptr %stretch)
  %next = add i64 %number, 1
  br label %look
go:
  call void %stretch(ptr %table, ptr %sizes, i64 0, i64 %workers, ptr %team)
  call void @meet(ptr %team, i64 %workers)
  ret void
}}
"""
"""`@launch` hands a stretch to the workers and takes part; `@work` is a worker's thread; `@dismiss` ends one.

It calls `TEAM_FUNCTIONS`.
"""


_MEET = """\
declare i64 @syscall(i64, ...)
declare void @{pause}({parameter})

define internal i32 @await(ptr %word, ptr %sleepers, i32 %old, i64 %looks) nounwind noinline {{
  br label %look
look:
  %count = phi i64 [ 0, %0 ], [ %more, %pause ]
  %seen = load atomic i32, ptr %word acquire, align 4
  %changed = icmp ne i32 %seen, %old
  br i1 %changed, label %quick, label %pause
quick:
  ret i32 %seen
pause:
  call void @{pause}({argument})
  %more = add i64 %count, 1
  %enough = icmp ugt i64 %more, %looks
  br i1 %enough, label %tired, label %look
tired:
  %one = atomicrmw add ptr %sleepers, i32 1 seq_cst
  br label %check
check:
  %now = load atomic i32, ptr %word seq_cst, align 4
  %same = icmp eq i32 %now, %old
  br i1 %same, label %sleep, label %awake
sleep:
  %r = call i64 (i64, ...) @syscall(i64 {futex}, ptr %word, i64 {wait}, i32 %old, ptr null)
  br label %check
awake:
  %less = atomicrmw sub ptr %sleepers, i32 1 seq_cst
  ret i32 %now
}}

define internal void @post(ptr %word, ptr %sleepers, i32 %new) nounwind {{
  %old = atomicrmw xchg ptr %word, i32 %new seq_cst
  %count = load atomic i32, ptr %sleepers seq_cst, align 4
  %some = icmp ne i32 %count, 0
  br i1 %some, label %wake, label %done
wake:
  %r = call i64 (i64, ...) @syscall(i64 {futex}, ptr %word, i64 {wake}, i64 2147483647)
  br label %done
done:
  ret void
}}

define internal void @meet(ptr %team, i64 %workers) nounwind noinline {{
  %alone = icmp ult i64 %workers, 2
  br i1 %alone, label %done, label %arrive
arrive:
  %generation = getelementptr i8, ptr %team, i64 {generation}
  %sleepers = getelementptr i8, ptr %generation, i64 4
  %mine = load atomic i32, ptr %generation acquire, align 4
  %before = atomicrmw add ptr %team, i32 1 acq_rel
  %here = add i32 %before, 1
  %all = trunc i64 %workers to i32
  %last = icmp eq i32 %here, %all
  br i1 %last, label %open, label %wait
open:
  store atomic i32 0, ptr %team monotonic, align 4
  %next = add i32 %mine, 1
  call void @post(ptr %generation, ptr %sleepers, i32 %next)
  br label %done
wait:
  %seen = call i32 @await(ptr %generation, ptr %sleepers, i32 %mine, i64 {looks})
  br label %done
done:
  ret void
}}
"""


def meet_text(arch: str) -> str:
    """`@meet(team, workers)`: returns when all workers have called it; at once for one.

    Args:
        arch: `x86_64` or `aarch64`, with Linux.
    """
    pause, parameter, argument = PAUSE[arch]
    return _MEET.format(
        pause=pause,
        parameter=parameter,
        argument=argument,
        futex=FUTEX[arch],
        wait=WAIT,
        wake=WAKE,
        generation=GENERATION,
        looks=LOOKS,
    )


@cache
def team_code() -> TeamCode:
    """What a team of threads runs, as machine code for this processor; made once in a process.

    A mailbox is written only while its worker waits: when a stretch ends, all its workers meet, and by then each has
    read its mailbox. So `@launch` needs no answer from a worker before it writes again.
    """
    machine = host()
    called = "".join(f"declare {each}\n" for each in TEAM_FUNCTIONS)
    code = assemble(called + meet_text(machine.arch) + TEAM, machine)
    return TeamCode(
        code.address("work"),
        ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64)(code.address("launch")),
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("dismiss")),
        code,
    )


def team_for(threads: int) -> Team | None:
    """The team of the process for a model that runs on so many threads; None for one alone."""
    return shared_team(team_code) if threads > 1 else None
