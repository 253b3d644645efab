"""xir's machine code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from numpy.typing import ArrayLike

from xir import __version__
from xir.backends.codegen.compile import compile_graph
from xir.integrations.specialized import SpecializedModel
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.runtime.executable import Executable
from xir_conformance.runtimes import Prepared, Runtime


class Compiled(Runtime):
    """Import, compile for this processor, run."""

    @property
    def version(self) -> str:
        """The version of xir."""
        return f"xir {__version__}, machine code"

    def prepare(self, path: str) -> Prepared:
        """Imports the model; it is compiled for what is fed."""
        return _CompiledModel(path)


class _CompiledModel(Prepared):
    def __init__(self, path: str) -> None:
        self._made: dict[int, tuple[Graph, Executable]] = {}
        self.model = SpecializedModel(path, execute=self._execute)

    def _execute(self, graph: Graph, feeds: Mapping[str, ArrayLike]) -> dict[str, Array]:
        if id(graph) not in self._made:
            self._made[id(graph)] = (graph, compile_graph(graph))
        results = self._made[id(graph)][1].run(None, feeds)
        return dict(zip(graph.output_names, results, strict=True))

    def run(self, inputs: Sequence[object]) -> Sequence[object]:
        return self.model.run(inputs)

    @property
    def note(self) -> str:
        hosted = sorted({name for _, each in self._made.values() for name in each.hosted})
        parts = [f"specialized for {self.model.specialized}"] if self.model.specialized else []
        parts += [f"run by the host: {', '.join(hosted)}"] if hosted else []
        return "; ".join(parts)
