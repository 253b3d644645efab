"""What a model that was compiled ahead of time is called by: init, run and free, as LLVM text.

A model is one block of memory: a table that says where each buffer lies (a pointer for each slot, and one more for a
mapped file of weights), then the temporary buffers. Weights are read in place: from the object, or from the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xir.runtime.memory import ALIGNMENT

WEIGHTS_SECTION = ".rodata.xir"
"""Where the weights lie in an object."""
HEADER_BYTES = 64
"""Bytes before the weights in a file of their own: what says that it is this model's."""

ALONE = "define internal void @meet(ptr %team, i64 %workers) nounwind {\n  ret void\n}"
"""The meeting of one worker with nobody."""

_V3, _V4 = (0x20 | 0x08 | 0x100, 6), (0xD003_0000 | 0x20 | 0x08 | 0x100, 0xE6)
"""Bits of cpuid's leaf 7 (EBX: AVX2, BMI1, BMI2; AVX-512 F, DQ, CD, BW, VL) and of XCR0 (state that the system keeps).

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID, and volume 1, 13.3.
"""
_LEAF_1 = 1 << 12 | 1 << 22 | 1 << 27 | 1 << 28 | 1 << 29
"""Bits of cpuid's leaf 1, ECX: FMA, MOVBE, OSXSAVE, AVX, F16C."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything lies.

    Attributes:
        slots: how many buffers there are.
        arena: bytes of temporary memory.
        places: {slot: where it begins in the temporary memory}.
        weights: {slot: where it begins among the weights}.
        weight_bytes: bytes of all weights.
        inputs: the slot of each input; None for one without elements.
        outputs: the slot of each output; None for one without elements.
        copies: {number of an output: bytes} for those that are copied in the end: what they give lies elsewhere.
        empty: slots without elements.
        fault: the slot that says whether loops were given up, or None.
    """

    slots: int
    arena: int
    places: Mapping[int, int]
    weights: Mapping[int, int]
    weight_bytes: int
    inputs: tuple[int | None, ...]
    outputs: tuple[int | None, ...]
    copies: Mapping[int, int]
    empty: tuple[int, ...]
    fault: int | None

    @property
    def table_bytes(self) -> int:
        """Bytes of the table, up to the temporary memory."""
        return -(-8 * (self.slots + 1) // ALIGNMENT) * ALIGNMENT

    @property
    def bytes(self) -> int:
        """Bytes of a model; the last ones are where slots without elements lie."""
        return self.table_bytes + -(-self.arena // ALIGNMENT) * ALIGNMENT + ALIGNMENT


def entry_text(name: str, layout: Layout, sizes: Sequence[int], stretch: str | None, identity: bytes | None) -> str:
    """The functions, and what they read.

    Args:
        name: what their names begin with.
        layout: where everything lies.
        sizes: what the machine code reads from its table of sizes.
        stretch: the function that does the work, or None if there is none to do.
        identity: what the file of weights begins with; None if the weights lie in the object.
    """
    parts = [_data(layout, sizes, identity), _SUPPORT]
    parts.append(_init(name, layout) if identity is None else _init_beside(name, layout))
    parts.append(_run(name, layout, stretch))
    parts.append(_free(name, layout, identity is not None))
    return "\n".join(parts)


def supported_text(lanes: int) -> str:
    """`@supported()`: whether the processor has what the code needs."""
    leaf, kept = _V4 if lanes > 8 else _V3
    registers = "={ax},={bx},={cx},={dx},{ax},{cx},~{dirflag},~{fpsr},~{flags}"
    four = "{ i32, i32, i32, i32 }"
    return f"""\
define internal i1 @supported() nounwind noinline {{
  %zero = call {four} asm sideeffect "cpuid", "{registers}"(i32 0, i32 0)
  %last = extractvalue {four} %zero, 0
  %old = icmp ult i32 %last, 7
  br i1 %old, label %no, label %one
one:
  %leaf1 = call {four} asm sideeffect "cpuid", "{registers}"(i32 1, i32 0)
  %c = extractvalue {four} %leaf1, 2
  %has1 = and i32 %c, {_LEAF_1}
  %all1 = icmp eq i32 %has1, {_LEAF_1}
  br i1 %all1, label %seven, label %no
seven:
  %leaf7 = call {four} asm sideeffect "cpuid", "{registers}"(i32 7, i32 0)
  %b = extractvalue {four} %leaf7, 1
  %has7 = and i32 %b, {leaf}
  %all7 = icmp eq i32 %has7, {leaf}
  br i1 %all7, label %state, label %no
state:
  %xcr = call {{ i32, i32 }} asm sideeffect "xgetbv", "={{ax}},={{dx}},{{cx}},~{{dirflag}},~{{fpsr}},~{{flags}}"(i32 0)
  %kept = extractvalue {{ i32, i32 }} %xcr, 0
  %has = and i32 %kept, {kept}
  %all = icmp eq i32 %has, {kept}
  ret i1 %all
no:
  ret i1 false
}}"""


_SUPPORT = """\
declare ptr @aligned_alloc(i64, i64)
declare void @free(ptr)
define internal void @fill(ptr %table, ptr %base, ptr %pairs, i64 %count) nounwind noinline {
  br label %look
look:
  %i = phi i64 [ 0, %0 ], [ %next, %do ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %do, label %done
do:
  %pair = getelementptr [2 x i64], ptr %pairs, i64 %i
  %slot = load i64, ptr %pair, align 8
  %second = getelementptr i64, ptr %pair, i64 1
  %offset = load i64, ptr %second, align 8
  %where = getelementptr i8, ptr %base, i64 %offset
  %place = getelementptr ptr, ptr %table, i64 %slot
  store ptr %where, ptr %place, align 8
  %next = add i64 %i, 1
  br label %look
done:
  ret void
}"""
"""`@fill(table, base, pairs, count)`: for each pair (slot, offset) the table says `base + offset`."""


def _numbers(name: str, numbers: Sequence[int]) -> str:
    held = list(numbers) or [0]
    return f"@{name} = internal constant [{len(held)} x i64] [{', '.join(f'i64 {each}' for each in held)}], align 8"


def _data(layout: Layout, sizes: Sequence[int], identity: bytes | None) -> str:
    inside = dict(layout.places)
    nothing = layout.bytes - ALIGNMENT - layout.table_bytes
    inside.update((slot, nothing) for slot in layout.empty)
    lines = [
        _numbers("sizes", sizes),
        _numbers("places", [number for pair in inside.items() for number in pair]),
        f"@place_count = internal constant i64 {len(inside)}",
        _numbers("held", [number for pair in layout.weights.items() for number in pair]),
    ]
    if identity is None:
        kind = f"[{max(layout.weight_bytes, 1)} x i8]"
        lines.append(
            f"@weights = internal externally_initialized constant {kind} zeroinitializer, "
            f'section "{WEIGHTS_SECTION}", align {ALIGNMENT}'
        )
    else:
        text = "".join(f"\\{byte:02x}" for byte in identity)
        lines.append(f'@identity = internal constant [{len(identity)} x i8] c"{text}", align 8')
    return "\n".join(lines)


def _filled(layout: Layout, weights: str) -> str:
    """Instructions that make the table of `%block`, the weights beginning at `weights`."""
    return f"""\
  %arena = getelementptr i8, ptr %block, i64 {layout.table_bytes}
  %count = load i64, ptr @place_count, align 8
  call void @fill(ptr %block, ptr %arena, ptr @places, i64 %count)
  call void @fill(ptr %block, ptr {weights}, ptr @held, i64 {len(layout.weights)})
  ret ptr %block"""


def _init(name: str, layout: Layout) -> str:
    return f"""\
define ptr @{name}_init() nounwind {{
  %fits = call i1 @supported()
  br i1 %fits, label %make, label %none
make:
  %block = call ptr @aligned_alloc(i64 {ALIGNMENT}, i64 {layout.bytes})
  %missing = icmp eq ptr %block, null
  br i1 %missing, label %none, label %begin
begin:
{_filled(layout, "@weights")}
none:
  ret ptr null
}}"""


def _init_beside(name: str, layout: Layout) -> str:
    """Linux on x86-64: O_RDONLY | O_CLOEXEC is 0x80000, SEEK_END 2, PROT_READ 1, MAP_PRIVATE 2."""
    total = HEADER_BYTES + layout.weight_bytes
    return f"""\
declare i32 @open(ptr, i32, ...)
declare i64 @lseek(i32, i64, i32)
declare i32 @close(i32)
declare ptr @mmap(ptr, i64, i32, i32, i32, i64)
declare i32 @munmap(ptr, i64)
declare i32 @memcmp(ptr, ptr, i64)
define ptr @{name}_init(ptr %path) nounwind {{
  %fits = call i1 @supported()
  br i1 %fits, label %read, label %none
read:
  %file = call i32 (ptr, i32, ...) @open(ptr %path, i32 {0x80000})
  %closed = icmp slt i32 %file, 0
  br i1 %closed, label %none, label %measure
measure:
  %size = call i64 @lseek(i32 %file, i64 0, i32 2)
  %whole = icmp eq i64 %size, {total}
  br i1 %whole, label %map, label %other
other:
  %e1 = call i32 @close(i32 %file)
  br label %none
map:
  %mapped = call ptr @mmap(ptr null, i64 {total}, i32 1, i32 2, i32 %file, i64 0)
  %e2 = call i32 @close(i32 %file)
  %failed = icmp eq ptr %mapped, inttoptr (i64 -1 to ptr)
  br i1 %failed, label %none, label %check
check:
  %differs = call i32 @memcmp(ptr %mapped, ptr @identity, i64 {HEADER_BYTES})
  %same = icmp eq i32 %differs, 0
  br i1 %same, label %make, label %unmap
unmap:
  %e3 = call i32 @munmap(ptr %mapped, i64 {total})
  br label %none
make:
  %block = call ptr @aligned_alloc(i64 {ALIGNMENT}, i64 {layout.bytes})
  %missing = icmp eq ptr %block, null
  br i1 %missing, label %unmap, label %begin
begin:
  %kept = getelementptr ptr, ptr %block, i64 {layout.slots}
  store ptr %mapped, ptr %kept, align 8
  %weights = getelementptr i8, ptr %mapped, i64 {HEADER_BYTES}
{_filled(layout, "%weights")}
none:
  ret ptr null
}}"""


def _free(name: str, layout: Layout, beside: bool) -> str:
    if not beside:
        return f"define void @{name}_free(ptr %model) nounwind {{\n  call void @free(ptr %model)\n  ret void\n}}"
    return f"""\
define void @{name}_free(ptr %model) nounwind {{
  %none = icmp eq ptr %model, null
  br i1 %none, label %done, label %give
give:
  %kept = getelementptr ptr, ptr %model, i64 {layout.slots}
  %mapped = load ptr, ptr %kept, align 8
  %e = call i32 @munmap(ptr %mapped, i64 {HEADER_BYTES + layout.weight_bytes})
  call void @free(ptr %model)
  br label %done
done:
  ret void
}}"""


def _run(name: str, layout: Layout, stretch: str | None) -> str:
    fed, made = len(layout.inputs), len(layout.outputs)
    given = [f"ptr %in{number}" for number in range(fed)] + [f"ptr %out{number}" for number in range(made)]
    lines = [f"define i32 @{name}_run({', '.join(['ptr %model', *given])}) nounwind {{"]
    pointed = [(slot, f"%in{number}") for number, slot in enumerate(layout.inputs)]
    pointed += [(slot, f"%out{number}") for number, slot in enumerate(layout.outputs) if number not in layout.copies]
    for number, (slot, pointer) in enumerate(pointed):
        if slot is not None:
            lines.append(f"  %place{number} = getelementptr ptr, ptr %model, i64 {slot}")
            lines.append(f"  store ptr {pointer}, ptr %place{number}, align 8")
    if stretch is not None:
        lines.append(f"  call void @{stretch}(ptr %model, ptr @sizes, i64 0, i64 1, ptr null)")
    if layout.fault is not None:
        lines += [
            f"  %fault_place = getelementptr ptr, ptr %model, i64 {layout.fault}",
            "  %fault_word = load ptr, ptr %fault_place, align 8",
            "  %fault = load i64, ptr %fault_word, align 8",
            "  %given_up = trunc i64 %fault to i32",
            "  %ended = icmp eq i32 %given_up, 0",
            "  br i1 %ended, label %answer, label %stop",
            "stop:",
            "  ret i32 %given_up",
            "answer:",
        ]
    for number, size in layout.copies.items():
        lines += [
            f"  %from{number} = getelementptr ptr, ptr %model, i64 {layout.outputs[number]}",
            f"  %source{number} = load ptr, ptr %from{number}, align 8",
            f"  call void @llvm.memmove.p0.p0.i64(ptr %out{number}, ptr %source{number}, i64 {size}, i1 false)",
        ]
    return "\n".join([*lines, "  ret i32 0", "}"])
