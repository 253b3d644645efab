"""A graph run by machine code, as one side of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xir.backends.codegen.cached import compile_optimized
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.verification.runners import InputShape, ReferenceRunner


class CompiledRunner:
    """A graph compiled for this machine's processor."""

    runtime = "xir cpu"
    draws_alike = True

    def __init__(self, graph: Graph) -> None:
        """Compiles `graph`.

        Raises:
            UnsupportedError: if the machine is no Linux on x86-64 with AVX2.
            MissingExtraError: if llvmlite is not installed.
        """
        plain = ReferenceRunner(graph)
        self.input_names: Sequence[str] = plain.input_names
        self.input_shapes: Sequence[InputShape] = plain.input_shapes
        self.output_names: Sequence[str] = plain.output_names
        self._executable = compile_optimized(graph)

    def run(self, feeds: Mapping[str, Array], *, peer_seconds: float = 0.0) -> Mapping[str, Array]:
        """The graph's outputs; there is no limit on its time."""
        return dict(zip(self.output_names, self._executable.run(None, feeds), strict=True))
