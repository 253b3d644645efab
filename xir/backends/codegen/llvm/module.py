"""Modules: the kernels of a program, and the functions that run stretches of them on every worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.llvm.control import StretchText
from xir.backends.codegen.llvm.kernel import NAME, Phase, phases
from xir.backends.codegen.llvm.meet import MEET
from xir.backends.codegen.llvm.watch import Watch
from xir.backends.codegen.steps import Run, Step
from xir.ir.dims import Dim

MEMORY = "declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)"
"""What copies call."""


@dataclass(slots=True)
class Module:
    """The text of all kernels of a program, each once, and of the stretches between host calls.

    Attributes:
        machine: what it is made for.
        watch: what notes when steps begin, for profiles only.
        sizes: the sizes that the code reads from its table, in order.
    """

    machine: Machine
    watch: Watch | None = None
    sizes: list[Dim] = field(default_factory=list[Dim])
    _names: dict[str, str] = field(default_factory=dict[str, str])
    _texts: list[str] = field(default_factory=list[str])
    _declared: dict[str, str] = field(default_factory=dict[str, str])

    def stretch(self, steps: Sequence[Step]) -> str:
        """The name of a function `(table of buffers, sizes, worker, workers, team)` that runs native steps in order.

        Its workers meet between phases; at its end they do not, as whoever called it waits for them.
        """
        written = StretchText(self.sizes, self._run)
        if self.watch is None:
            written.steps(steps)
        else:
            self.watch.write(written, steps)
        name = f"stretch{len(self._texts)}"
        self._texts.append(written.text(name))
        return name

    def _run(self, written: StretchText, run: Run) -> None:
        for phase in phases(run.kernel, self.machine):
            written.meet()
            self._call(written, phase, run.slots)

    def _call(self, written: StretchText, phase: Phase, slots: Sequence[int]) -> None:
        self._declared.update(phase.declared)
        function = self._names.get(phase.text)
        if function is None:
            function = self._names[phase.text] = f"kernel{len(self._names)}"
            self._texts.append(phase.text.replace(NAME, function))
        given = [f"ptr {written.pointer(slot)}" for slot in slots]
        sizes = written.let(f"getelementptr i64, ptr %sizes, i64 {len(self.sizes)}")
        self.sizes += phase.sizes
        total = written.size(phase.iterations)
        before = written.let(f"mul i64 {total}, %worker")
        first = written.let(f"udiv i64 {before}, %workers")
        after = written.let(f"add i64 {before}, {total}")
        last = written.let(f"udiv i64 {after}, %workers")
        arguments = ", ".join([*given, f"ptr {sizes}", f"i64 {first}", f"i64 {last}"])
        written.do(f"call void @{function}({arguments})")

    def text(self) -> str:
        """The whole module."""
        declared = "\n".join(self._declared.values())
        watched = [] if self.watch is None else [self.watch.text()]
        return "\n".join([declared, MEMORY, MEET, *watched, *self._texts, "!0 = !{}"])
