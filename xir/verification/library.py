"""A library that was compiled ahead of time, as one side of a comparison."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from xir.backends.codegen.ahead.files import AheadReport
from xir.errors import MismatchError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Shape, Symbol, evaluate
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.limits import FOREIGN_RATIO, FOREIGN_SECONDS
from xir.reference.sizes import Arrival, Sizes
from xir.verification._child import Header, Result, items
from xir.verification._process import ChildProcess
from xir.verification.runners import InputShape, shape_of


class LibraryRunner:
    """One version of a library's code, run in a process of its own, with one thread and with several.

    Attributes:
        refused: the code that `init` answered, 0 for none; a model that was not made does not run.
    """

    draws_alike = True

    def __init__(self, graph: Graph, report: AheadReport, library: str, cpu: str) -> None:
        """Opens the library.

        Args:
            graph: what was compiled.
            report: what was written.
            library: the path of a library, which was linked from an object where one was written.
            cpu: the processor of the version.

        Raises:
            MismatchError: if the library cannot be loaded, or crashes.
        """
        self.runtime = f"library for {cpu}"
        self.input_names: Sequence[str] = graph.input_names
        self.input_shapes: Sequence[InputShape] = [shape_of(value.type) for value in graph.inputs]
        self.output_names: Sequence[str] = graph.output_names
        self._graph, self._file, self._symbols = graph, report.files[0], report.symbols
        self._process = ChildProcess(
            "xir.verification._library",
            self._file,
            dies="this is a mistake of xir: please report it, with the model",
            stays="write it without verification: --no-verify",
        )
        header, _ = self._ask(
            {
                "library": os.path.abspath(library),
                "name": report.name,
                "weights": os.path.abspath(report.files[2]) if len(report.files) > 2 else "",
                "level": report.cpus.index(cpu) if len(report.cpus) > 1 else None,
            },
            (),
            FOREIGN_SECONDS,
            "open",
        )
        self.refused = int(str(header["code"]))

    def run(self, feeds: Mapping[str, Array], *, peer_seconds: float = 0.0) -> Mapping[str, Array]:
        """The outputs.

        Raises:
            MismatchError: if the library refuses to run or crashes, results depend on the number of threads, or it
                finds out other sizes than the graph has.
            UnsafeError: if it does not come to an end.
        """
        arrays = [feeds[name] for name in self.input_names]
        sizes = Sizes()
        sizes.learn([_arrival(value, array) for value, array in zip(self._graph.inputs, arrays, strict=True)])
        outputs = [(value.dtype, _shape(value, sizes.known)) for value in self._graph.outputs]
        asked: dict[str, object] = {
            "sizes": [sizes.known.get(symbol, 0) for symbol in self._symbols],
            "outputs": [{"dtype": dtype.dtype.name, "shape": list(shape)} for dtype, shape in outputs],
        }
        limit = max(FOREIGN_SECONDS, FOREIGN_RATIO * peer_seconds)
        header, results = self._ask(asked, arrays, limit, "run the model")
        if header["code"] or not header["same"]:
            said = f"run answers {header['code']}" if header["code"] else "results depend on the number of threads"
            raise MismatchError(f"the {self.runtime} is wrong: {said}", number=602, file=self._file)
        shapes = [size for array in arrays for size in array.shape] + [size for _, each in outputs for size in each]
        if self._symbols and items(header["shapes"]) != shapes:
            raise MismatchError(f"the library has arrays of other sizes: {header['shapes']}", file=self._file)
        found = [each for each in results if isinstance(each, np.ndarray)]
        return dict(zip(self.output_names, found, strict=True))

    def close(self) -> None:
        """Gives the models back, and finds out whether that goes well."""
        self._ask({"close": True}, (), FOREIGN_SECONDS, "end")

    def _ask(
        self, header: Mapping[str, object], arrays: Sequence[Result], limit: float, what: str
    ) -> tuple[Header, list[Result]]:
        said, results = self._process.ask(header, arrays, limit, (f"the {self.runtime}", what))
        if "error" in said:
            raise MismatchError(f"the {self.runtime} cannot be loaded: {said['error']}", number=602, file=self._file)
        return said, results


def _arrival(value: Value, array: Array) -> Arrival:
    type = value.type
    if not isinstance(type, TensorType):
        raise TypeError(type)
    return Arrival("an input", type, array.shape)


def _shape(value: Value, known: Mapping[Symbol, Dim]) -> tuple[int, ...]:
    shape: Shape = value.shape
    return tuple(size for size in (evaluate(dim, known) for dim in shape) if isinstance(size, int))
