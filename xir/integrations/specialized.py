"""ONNX files whose graph depends on what is fed.

Some operators have operands that xir must know before it can build their nodes: the axes of a reduction are
attributes of its graph, while ONNX lets them arrive at run time, and a value of unknown rank has no shape to compute
with. Such a file is imported again when arrays arrive: first for their types, and where that does not do, for the
elements of the short ones too. What was done is counted, and said.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from xir.errors import InvalidModelError, UnsupportedError, UsageError
from xir.files import PathLike
from xir.frontends.onnx import VERSIONS, read_model
from xir.frontends.onnx.importer import build
from xir.frontends.onnx.model import SparseTensor
from xir.frontends.onnx.tensors import dtype_of
from xir.ir.constant import Array
from xir.ir.constraints import UNMET
from xir.ir.graph import Graph
from xir.ir.node import UNKNOWN_RANK
from xir.ir.types import TensorType, Type
from xir.ops.control import OTHER_BRANCH
from xir.reference import run

Execute: TypeAlias = Callable[[Graph, Mapping[str, ArrayLike]], Mapping[str, Array]]
"""Runs a graph: {input name: array} to {output name: array}."""

Specialization: TypeAlias = Literal["types", "values"]

MAX_GRAPHS: Final = 16
"""Graphs that are kept for what was fed; the one that was used longest ago goes first."""

_BUILT_FOR_OTHERS: Final = (f"XIR-E{OTHER_BRANCH}", f"XIR-E{UNMET}")
"""Errors of a graph that was built for what was assumed, where something else is fed."""

MAX_KNOWN: Final = 1024
"""Elements of an array that may serve as an operand to know: axes, sizes, pads and limits are short lists."""


class SpecializedModel:
    """An ONNX file, run by the reference; its graph is built for what is fed where the file alone does not do.

    Attributes:
        path: of the file.
        graph: the graph for whatever is fed; None where it has to be built for what is.
        input_names: what is fed, in order; weights are none of it.
        output_names: what comes out, in order.
        specialized: the most that had to be known beyond the file so far: nothing, the arrays' types, or their values.
        counts: how many graphs were built for types, and for values.
    """

    def __init__(self, path: PathLike, *, trust_links: bool = False, execute: Execute = run) -> None:
        """Reads the file.

        Args:
            path: of the file; its data files lie in the same folder, and all of them stay there.
            trust_links: whether data files may be links.
            execute: runs a graph on feeds by name and answers its outputs by name; the reference does.

        Raises:
            FormatError: the file is no ONNX model.
            UnsupportedError: it has operators that xir has not, whatever is fed.
            InvalidModelError: the model contradicts itself.
            UnsafeError: it asks for more than the limits allow.
        """
        self._model = read_model(path)
        self._trust = trust_links
        self._execute = execute
        weights = {
            tensor.values.name if isinstance(tensor, SparseTensor) else tensor.name
            for tensor in self._model.graph.initializers
        }
        self._inputs = tuple(info for info in self._model.graph.inputs if info.name not in weights)
        self._kept: OrderedDict[tuple[object, ...], Graph | None] = OrderedDict()
        self.path = self._model.path
        self.input_names: tuple[str, ...] = tuple(info.name for info in self._inputs)
        self.output_names: tuple[str, ...] = tuple(info.name for info in self._model.graph.outputs)
        self.specialized: Specialization | None = None
        self.counts: dict[Specialization, int] = {"types": 0, "values": 0}
        self.graph: Graph | None = None
        try:
            self.graph = build(self._model, trust_links=trust_links)
        except (InvalidModelError, UnsupportedError) as error:
            if not _may_be_lifted(error):
                raise

    def run(self, inputs: Sequence[object]) -> tuple[Array, ...]:
        """The outputs for inputs in their order: arrays, lists for sequences, None for absent optionals.

        Raises:
            UsageError: there are more or fewer inputs, or of another type or shape.
            UnsupportedError: the model has operators that xir has not for what is fed.
            InvalidModelError: a node cannot compute.
        """
        try:
            return tuple(self._execute(self.graph_for(inputs), self.feeds(inputs)).values())
        except (InvalidModelError, UsageError) as error:
            if error.code not in _BUILT_FOR_OTHERS:
                raise
            unmet = error
        try:
            graph = self._graph_for_values(inputs)
        except InvalidModelError:
            raise unmet from None
        return tuple(self._execute(graph, self.feeds(inputs)).values())

    def feeds(self, inputs: Sequence[object]) -> dict[str, ArrayLike]:
        """The inputs by their names.

        Raises:
            UsageError: there are more or fewer.
        """
        if len(inputs) != len(self.input_names):
            raise UsageError(
                f"the model takes {len(self.input_names)} inputs {list(self.input_names)}, fed are {len(inputs)}"
            )
        return dict(zip(self.input_names, cast("Sequence[ArrayLike]", inputs), strict=True))

    def graph_for(self, inputs: Sequence[object]) -> Graph:
        """The graph that computes the model on these inputs, built as little for them as can be.

        Raises:
            UsageError: there are more or fewer inputs than the model has.
            UnsupportedError: the model has operators that xir has not, for these inputs.
        """
        if self.graph is not None:
            return self.graph
        arrays = {name: array for name, fed in self.feeds(inputs).items() if (array := _array(fed)) is not None}
        shapes = {name: array.shape for name, array in arrays.items()}
        of_types, types = tuple(shapes.items()), self._types(shapes)
        graph = self._built_once(("types", *of_types), "types", types, {})
        return graph or self._graph_for_values(inputs)

    def _graph_for_values(self, inputs: Sequence[object]) -> Graph:
        """The graph for these inputs, in which the elements of short ones are known."""
        arrays = {name: array for name, fed in self.feeds(inputs).items() if (array := _array(fed)) is not None}
        shapes = {name: array.shape for name, array in arrays.items()}
        of_types, types = tuple(shapes.items()), self._types(shapes)
        known = {name: array for name, array in arrays.items() if array.ndim <= 1 and array.size <= MAX_KNOWN}
        of_values = tuple((name, _digest(array)) for name, array in known.items())
        graph = self._built_once(("values", *of_types, *of_values), "values", types, known)
        return graph or build(self._model, inputs=types, known=known, trust_links=self._trust)

    def _built_once(
        self, key: tuple[object, ...], how: Specialization, types: Mapping[str, Type], known: Mapping[str, Array]
    ) -> Graph | None:
        """The graph for these types and values; None where they do not do."""
        if key in self._kept:
            self._kept.move_to_end(key)
        else:
            try:
                self._kept[key] = build(self._model, inputs=types, known=known, trust_links=self._trust)
                self.counts[how] += 1
            except (InvalidModelError, UnsupportedError) as error:
                if not _may_be_lifted(error):
                    raise
                self._kept[key] = None
            while len(self._kept) > MAX_GRAPHS:
                self._kept.popitem(last=False)
        graph = self._kept[key]
        if graph is not None and self.specialized != "values":
            self.specialized = how
        return graph

    def _types(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Type]:
        """The declared element types with the shapes that are fed."""
        return {
            info.name: TensorType(
                dtype_of(info.type.dtype, f"input {info.name!r}", self.path), tuple(shapes[info.name])
            )
            for info in self._inputs
            if info.name in shapes and info.type is not None and info.type.kind == "tensor"
        }


def _may_be_lifted(error: InvalidModelError | UnsupportedError) -> bool:
    """Whether a refusal may go away when more is known: every operator it names has a handler, or a rank is lacking."""
    if isinstance(error, InvalidModelError):
        return error.code == f"XIR-E{UNKNOWN_RANK}"
    return bool(error.problems) and all(VERSIONS.since(problem.kind) for problem in error.problems)


def _array(fed: object) -> Array | None:
    """What is fed, where it is an array or one element of it."""
    return np.asarray(cast("Array", fed)) if isinstance(fed, np.ndarray | np.generic) else None


def _digest(array: Array) -> str:
    """A name for the elements of a short array."""
    content = repr(array.tolist()).encode("utf-8", "surrogatepass")
    return f"{array.dtype}{list(array.shape)}{hashlib.sha256(content).hexdigest()}"
