"""Modules: the kernels of a program, and the functions that run stretches of them on every worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.llvm.control import StretchText
from xir.backends.codegen.llvm.kernel import NAME, Phase, phases
from xir.backends.codegen.llvm.meet import meet_text
from xir.backends.codegen.llvm.watch import Watch
from xir.backends.codegen.steps import Run, Step
from xir.ir.dims import Dim
from xir.kernel.grammar import Kernel

NUMBERED = ("!0 = !{}", "!1 = !{i32 1}")
"""What instructions say by number: 0 with `!invariant.load`, 1 with `!nontemporal`."""

MEMORY = "declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)"
"""What copies call."""


@dataclass(slots=True)
class Module:
    """The text of all kernels of a program, each once, and of the stretches between host calls.

    Attributes:
        machine: what it is made for.
        label: what the functions' names begin with, where several modules become one text.
        attributes: what LLVM is told of each function beside `nounwind`.
        watch: what notes when steps begin, for profiles only.
        sizes: the sizes that the code reads from its table, in order.
        texts: the functions.
        declared: what they call, {name: declaration}.
    """

    machine: Machine
    watch: Watch | None = None
    label: str = ""
    attributes: str = ""
    sizes: list[Dim] = field(default_factory=list[Dim])
    texts: list[str] = field(default_factory=list[str])
    declared: dict[str, str] = field(default_factory=dict[str, str])
    _names: dict[str, str] = field(default_factory=dict[str, str])
    _phases: dict[tuple[int, bool], tuple[Kernel, tuple[Phase, ...]]] = field(
        default_factory=dict[tuple[int, bool], tuple[Kernel, tuple[Phase, ...]]]
    )

    def stretch(self, steps: Sequence[Step]) -> str:
        """The name of a function `(table of buffers, sizes, worker, workers, team)` that runs native steps in order.

        Its workers meet between phases; at its end they do not, as whoever called it waits for them.
        """
        written = StretchText(self.sizes, self._run)
        if self.watch is None:
            written.steps(steps)
        else:
            self.watch.write(written, steps)
        name = f"{self.label}stretch{len(self.texts)}"
        self.texts.append(written.text(name))
        return name

    def _run(self, written: StretchText, run: Run) -> None:
        again = written.number is not None
        key = id(run.kernel), again  # equal kernels of a program are one object; to compare all would take longer
        if key not in self._phases:
            self._phases[key] = run.kernel, tuple(phases(run.kernel, self.machine, again=again))
        for phase in self._phases[key][1]:
            written.meet()
            self._call(written, phase, run.slots)

    def _call(self, written: StretchText, phase: Phase, slots: Sequence[int]) -> None:
        self.declared.update(phase.declared)
        function = self._names.get(phase.text)
        if function is None:
            function = self._names[phase.text] = f"{self.label}kernel{len(self._names)}"
            self.texts.append(phase.text.replace(NAME, function))
        given = [f"ptr {written.pointer(slot)}" for slot in slots]
        sizes = written.let(f"getelementptr i64, ptr %sizes, i64 {len(self.sizes)}")
        self.sizes += phase.sizes
        total = written.size(phase.iterations)
        before = written.let(f"mul i64 {total}, %worker")
        first = written.let(f"udiv i64 {before}, %workers")
        after = written.let(f"add i64 {before}, {total}")
        last = written.let(f"udiv i64 {after}, %workers")
        if phase.turns:  # what was read last is near: every other step begins with it
            first, last = written.turned(first, last)
        arguments = ", ".join([*given, f"ptr {sizes}", f"i64 {first}", f"i64 {last}"])
        written.do(f"call void @{function}({arguments})")

    def text(self) -> str:
        """The whole module."""
        watched = "" if self.watch is None else self.watch.text()
        return "\n".join([joined([self]), watched])


def joined(modules: Sequence[Module], more: Mapping[str, str] = MappingProxyType({})) -> str:
    """The functions of modules for one architecture, whose labels differ, as one text.

    Args:
        modules: the modules.
        more: what others who join the text call, {name: declaration}.
    """
    declared = dict(more)
    texts: list[str] = []
    for module in modules:
        declared.update(module.declared)
        texts += (text.replace(" nounwind {", f" nounwind {module.attributes} {{") for text in module.texts)
    return "\n".join([*declared.values(), MEMORY, meet_text(modules[0].machine.arch), *texts, *NUMBERED])
