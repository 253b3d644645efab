"""Modules: the kernels of a program, and the functions that run stretches of them on every worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.llvm import NAME, Phase, phases
from xir.ir.dims import Dim
from xir.ir.node import Node
from xir.kernel.grammar import Kernel


@dataclass(frozen=True, slots=True)
class Run:
    """A kernel on buffers: the slots that it reads and writes, in the kernel's order, and the nodes behind it."""

    kernel: Kernel
    slots: tuple[int, ...]
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Hosted:
    """A node that runs by its reference; None where an operand is absent."""

    node: Node
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]


Step = Run | Hosted


@dataclass(slots=True)
class Module:
    """The text of all kernels of a program, each once, and of the stretches between host calls.

    Attributes:
        sizes: the sizes that the code reads from its table, in order.
    """

    machine: Machine
    sizes: list[Dim] = field(default_factory=list[Dim])
    _names: dict[str, str] = field(default_factory=dict[str, str])
    _texts: list[str] = field(default_factory=list[str])
    _declared: dict[str, str] = field(default_factory=dict[str, str])

    def stretch(self, runs: Sequence[Run]) -> str:
        """The name of a function `(table of buffers, sizes, worker, workers, team)` that runs kernels in order."""
        lines: list[str] = []
        for run in runs:
            for phase in phases(run.kernel, self.machine.lanes):
                self._call(lines, phase, run.slots)
        name = f"stretch{len(self._texts)}"
        body = "\n".join(lines)
        self._texts.append(
            f"define void @{name}(ptr %table, ptr %sizes, i64 %worker, i64 %workers, ptr %team) "
            f"nounwind {{\n{body}\n  ret void\n}}\n"
        )
        return name

    def _call(self, lines: list[str], phase: Phase, slots: Sequence[int]) -> None:
        self._declared.update(phase.declared)
        function = self._names.get(phase.text)
        if function is None:
            function = self._names[phase.text] = f"kernel{len(self._names)}"
            self._texts.append(phase.text.replace(NAME, function))
        number, first = len(lines), len(self.sizes)
        self.sizes += phase.sizes
        given: list[str] = []
        for place, slot in enumerate(slots):
            lines.append(f"  %p{number}_{place} = getelementptr ptr, ptr %table, i64 {slot}")
            lines.append(f"  %b{number}_{place} = load ptr, ptr %p{number}_{place}, align 8")
            given.append(f"ptr %b{number}_{place}")
        lines.append(f"  %s{number} = getelementptr i64, ptr %sizes, i64 {first}")
        total = self._total(lines, number, phase.iterations)
        lines.append(f"  %l{number} = mul i64 {total}, %worker")
        lines.append(f"  %f{number} = udiv i64 %l{number}, %workers")
        lines.append(f"  %n{number} = add i64 %l{number}, {total}")
        lines.append(f"  %t{number} = udiv i64 %n{number}, %workers")
        arguments = ", ".join([*given, f"ptr %s{number}", f"i64 %f{number}", f"i64 %t{number}"])
        lines.append(f"  call void @{function}({arguments})")
        lines.append("  call void @meet(ptr %team, i64 %workers)")

    def _total(self, lines: list[str], number: int, iterations: Dim) -> str:
        if isinstance(iterations, int):
            return str(iterations)
        lines.append(f"  %c{number} = getelementptr i64, ptr %sizes, i64 {len(self.sizes)}")
        lines.append(f"  %d{number} = load i64, ptr %c{number}, align 8")
        self.sizes.append(iterations)
        return f"%d{number}"

    def text(self) -> str:
        """The whole module."""
        declared = "\n".join(self._declared.values())
        meet = "define internal void @meet(ptr %team, i64 %workers) {\n  ret void\n}\n"
        return "\n".join([declared, meet, *self._texts, "!0 = !{}"])
