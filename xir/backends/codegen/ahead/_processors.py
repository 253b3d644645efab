"""The processors that code is made for ahead of time, and how a program finds out on which of them it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xir.backends.codegen.ahead._body import Body
from xir.backends.codegen.engine import Machine, check_platform, host
from xir.errors import UsageError

CPUS = ("x86-64-v3", "x86-64-v4", "native", "aarch64")
"""Levels of the System V ABI for AMD64 (3.1.1), this machine's processor, and every one of 64-bit Arm."""

WORDS = ("1 ECX", "7 EBX", "7 ECX", "7 EDX", "7.1 EAX", "80000001 ECX", "XCR0")
"""What is asked of a processor: registers of leaves of cpuid, and which registers the system keeps.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID, and volume 1, 13.3; for the leaf
80000001, AMD64 Architecture Programmer's Manual, volume 3, appendix E.
"""


def _bits(*numbers: int) -> int:
    return sum(1 << number for number in numbers)


_V3 = {
    "1 ECX": _bits(0, 9, 12, 13, 19, 20, 22, 23, 27, 28, 29),
    "7 EBX": _bits(3, 5, 8),
    "80000001 ECX": _bits(0, 5),
    "XCR0": _bits(1, 2),
}
"""SSE3, SSSE3, FMA, CMPXCHG16B, SSE4.1, SSE4.2, MOVBE, POPCNT, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LAHF, LZCNT."""
_V4 = {**_V3, "7 EBX": _V3["7 EBX"] | _bits(16, 17, 28, 30, 31), "XCR0": _bits(1, 2, 5, 6, 7)}
"""Also AVX-512 F, DQ, CD, BW and VL."""

_EXTRAS = {
    "avx512vbmi": ("7 ECX", 1),
    "avx512vbmi2": ("7 ECX", 6),
    "gfni": ("7 ECX", 8),
    "avx512vnni": ("7 ECX", 11),
    "avx512bitalg": ("7 ECX", 12),
    "avx512vpopcntdq": ("7 ECX", 14),
    "avx512fp16": ("7 EDX", 23),
    "avxvnni": ("7.1 EAX", 4),
    "avx512bf16": ("7.1 EAX", 5),
}
"""What code for `native` uses beyond a level, where this machine has it: {LLVM's name: (word, bit)}."""


@dataclass(frozen=True, slots=True)
class Processor:
    """What one version of the code is for.

    Attributes:
        name: as it was asked for.
        machine: what it is.
        needs: the bits of each of `WORDS` that must be set.
        attributes: what LLVM is told of each function.
    """

    name: str
    machine: Machine
    needs: tuple[int, ...]
    attributes: str


def processors_of(cpu: str) -> tuple[Processor, ...]:
    """The processors of a list of names, the least of them first.

    Args:
        cpu: names of `CPUS` with commas between them; all of one architecture.

    Raises:
        UsageError: if there is none of that name, or there are two architectures.
        MissingExtraError: if llvmlite is not installed.
        UnsupportedError: on another platform than Linux on x86-64.
    """
    names = list(dict.fromkeys(name.strip() for name in cpu.split(",")))
    for name in names:
        if name not in CPUS:
            raise UsageError(f"there is no processor {name!r}, only {', '.join(CPUS)}")
    if "aarch64" in names and len(names) > 1:
        raise UsageError(f"one object holds code for one architecture, not {cpu}", hint="compile twice")
    check_platform()
    return tuple(sorted(map(_processor, names), key=lambda each: (each.machine.lanes, _count(each.needs))))


def _count(needs: Sequence[int]) -> int:
    """How many bits are asked for."""
    return sum(word.bit_count() for word in needs)


def _processor(name: str) -> Processor:
    if name == "aarch64":
        return Processor(name, Machine("generic", "", 4, 32, name), (), "")
    if name != "native":
        needs, sizes = (_V4, (16, 32)) if name == "x86-64-v4" else (_V3, (8, 16))
        return Processor(name, Machine(name, "", *sizes), _words(needs), f'"target-cpu"="{name}"')
    machine = host()
    level, least = ("x86-64-v4", _V4) if machine.lanes > 8 else ("x86-64-v3", _V3)
    has = set(machine.features.split(","))
    needs, used = dict(least), list[str]()
    for feature, (word, bit) in _EXTRAS.items():
        if "+" + feature in has and (machine.lanes > 8 or not feature.startswith("avx512")):
            needs[word] = needs.get(word, 0) | 1 << bit
            used.append("+" + feature)
    machine = replace(machine, features=",".join(used))  # what is not asked for is not used
    told = {"target-cpu": level, "target-features": machine.features, "tune-cpu": machine.cpu}
    return Processor(name, machine, _words(needs), " ".join(f'"{key}"="{value}"' for key, value in told.items()))


def _words(needs: dict[str, int]) -> tuple[int, ...]:
    return tuple(needs.get(word, 0) for word in WORDS)


def choice_text(processors: Sequence[Processor]) -> str:
    """`@fits(level)`: whether the processor has what a version needs; `@best()`: the best such version, or -1."""
    best = Body("internal i64 @best()")
    found = best.variable("i64", "-1")
    with best.loop(len(processors)) as level, best.when(best.let(f"call i1 @fits(i64 {level})")):
        best.store("i64", level, found)
    best.end(best.load("i64", found))
    fits = Body("internal i1 @fits(i64 %level)")
    if not any(processor.needs for processor in processors):
        fits.end("true")
        return fits.text() + best.text()
    words = fits.reserve(f"[{len(WORDS)} x i32]")
    fits.do(f"call void @ask(ptr {words})")
    start = fits.let(f"mul i64 %level, {len(WORDS)}")
    with fits.loop(len(WORDS)) as number:
        need = fits.read("i32", "@needs", fits.let(f"add i64 {start}, {number}"))
        has = fits.let(f"and i32 {need}, {fits.read('i32', words, number)}")
        fits.end_if(fits.let(f"icmp ne i32 {has}, {need}"), "false")
    fits.end("true")
    needs = [need for processor in processors for need in processor.needs]
    held = f"@needs = internal constant [{len(needs)} x i32] [{', '.join(f'i32 {need}' for need in needs)}]\n"
    return held + _ask() + fits.text() + best.text()


def _ask() -> str:
    """`@ask(words)`: what the processor and the system say; 0 for what they do not know."""
    body = Body("internal void @ask(ptr %words)")
    for number in range(len(WORDS)):
        body.write("i32", "0", "%words", number)

    def leaf(number: int, part: int = 0) -> list[str]:
        registers = "={ax},={bx},={cx},={dx},{ax},{cx},~{dirflag},~{fpsr},~{flags}"
        four = "{ i32, i32, i32, i32 }"
        said = body.let(f'call {four} asm sideeffect "cpuid", "{registers}"(i32 {number}, i32 {part})')
        return [body.let(f"extractvalue {four} {said}, {each}") for each in range(4)]

    def note(word: str, value: str) -> None:
        body.write("i32", value, "%words", WORDS.index(word))

    last = leaf(0)[0]
    features = leaf(1)[2]
    note("1 ECX", features)
    with body.when(body.let(f"icmp uge i32 {last}, 7")):
        parts, b, c, d = leaf(7)
        for word, value in (("7 EBX", b), ("7 ECX", c), ("7 EDX", d)):
            note(word, value)
        with body.when(body.let(f"icmp uge i32 {parts}, 1")):
            note("7.1 EAX", leaf(7, 1)[0])
    extended = body.let(f"icmp uge i32 {leaf(0x8000_0000)[0]}, {0x8000_0001}")
    with body.when(extended):
        note("80000001 ECX", leaf(0x8000_0001)[2])
    kept = body.let(f"and i32 {features}, {1 << 27}")
    with body.when(body.let(f"icmp ne i32 {kept}, 0")):
        two = "{ i32, i32 }"
        flags = "={ax},={dx},{cx},~{dirflag},~{fpsr},~{flags}"
        state = body.let(f'call {two} asm sideeffect "xgetbv", "{flags}"(i32 0)')
        note("XCR0", body.let(f"extractvalue {two} {state}, 0"))
    body.end()
    return body.text()
