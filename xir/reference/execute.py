"""Running a graph node by node with the operators' own reference rules.

Dead intermediates are freed as soon as the last node that reads them has run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from xir.errors import InvalidModelError, UnsafeError, UsageError
from xir.ir.builder import sourced
from xir.ir.constant import Array
from xir.ir.constraints import check_constraints
from xir.ir.dims import to_text
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Node, Value
from xir.ir.types import DType, MapType, OptionalType, SequenceType, TensorType, Type, UnrankedType, substitute
from xir.ops import definition
from xir.reference.dlpack import SupportsDLPack, borrowed
from xir.reference.sizes import Arrival, Sizes, symbols_in

Observer = Callable[[Node, tuple[Array, ...]], None]


def run(graph: Graph, feeds: Mapping[str, ArrayLike], *, observe: Observer | None = None) -> dict[str, Array]:
    """The graph's outputs for the given inputs.

    Args:
        graph: the model.
        feeds: an array for each input name, or what shares its elements by DLPack or makes an array of itself. Plain
            lists and numbers take the input's element type; arrays must have it.
        observe: called with each node and its results, right after it has run.

    Returns:
        {output name: array}, in the order of the outputs.

    Raises:
        UsageError: if an input is missing, unknown, or of another type or shape.
        InvalidModelError: if a node cannot compute; the error names its layer.
    """
    sizes = Sizes()
    arrays = _feed(graph, feeds, sizes)
    check_constraints(graph.constraints, sizes.known)
    results = _run_nodes(graph, arrays, sizes, observe)
    return {
        name: array if value.node is not None else _copied(array)
        for name, value, array in zip(graph.output_names, graph.outputs, results, strict=True)
    }


def _copied(data: object) -> Array:
    """What was fed, or a weight, as a caller may keep it."""
    return cast("Array", np.array(cast("Array", data)) if isinstance(data, np.ndarray) else data)


def _run_nodes(graph: Graph, arrays: dict[Value, Array], sizes: Sizes, observe: Observer | None) -> tuple[Array, ...]:
    """The outputs of a graph whose inputs are in `arrays`."""
    remaining = _count_reads(graph)
    for node in graph.nodes:
        results = _run_node(node, [_read(graph, arrays, value) for value in node.inputs], sizes)
        if observe is not None:
            observe(node, results)
        for value, array in zip(node.outputs, results, strict=True):
            if value in remaining:
                arrays[value] = array
        for operand in node.inputs:
            if operand is not None:
                remaining[operand] -= 1
                if not remaining[operand]:
                    arrays.pop(operand, None)
    return tuple(cast("Array", _read(graph, arrays, value)) for value in graph.outputs)


@dataclass(frozen=True, slots=True)
class _Body:
    """A body as the rules of control flow run it."""

    graph: Graph
    around: Sizes

    @property
    def count(self) -> int:
        return len(self.graph.outputs)

    def result_types(self, *arrays: Array) -> tuple[Type, ...]:
        known = self._sizes(arrays).known
        return tuple(substitute(value.type, known) for value in self.graph.outputs)

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        self.around.count_run()
        return _run_nodes(self.graph, dict(zip(self.graph.inputs, arrays, strict=True)), self._sizes(arrays), None)

    def _sizes(self, arrays: tuple[Array, ...]) -> Sizes:
        sizes = Sizes(self.around)
        sizes.learn(
            [
                Arrival(f"input {self.graph.name_of(value)!r} of body {self.graph.name!r}", value.type, array.shape)
                for value, array in zip(self.graph.inputs, arrays, strict=True)
                if isinstance(value.type, TensorType)
            ]
        )
        return sizes


def _feed(graph: Graph, feeds: Mapping[str, ArrayLike], sizes: Sizes) -> dict[Value, Array]:
    names = graph.input_names
    missing = [name for name in names if name not in feeds]
    unknown = [name for name in feeds if name not in names]
    if missing or unknown:
        raise UsageError(
            f"the model takes the inputs {list(names)}; missing {missing}, unknown {unknown}",
            hint="xir inspect shows the inputs with their types",
        )
    arrays: dict[Value, Array] = {}
    arrivals: list[Arrival] = []
    for name, value in zip(names, graph.inputs, strict=True):
        array = converted(feeds[name], value.type, f"input {name!r}")
        if isinstance(value.type, TensorType):
            arrivals.append(Arrival(f"input {name!r}", value.type, array.shape))
        arrays[value] = array
    sizes.learn(arrivals)
    sizes.leave_open(arrivals)
    return arrays


def converted(given: object, type: Type, what: str) -> Array:
    """What is fed as a runtime holds it: a sequence as a list, an absent optional as None, a map as a dict.

    Args:
        given: what a caller gave.
        type: the type that the graph says.
        what: what it is, in words.

    Raises:
        UsageError: if it is of another type.
    """
    match type:
        case SequenceType(element) if isinstance(given, list | tuple):
            items = cast("Sequence[object]", given)
            return cast("Array", [converted(item, element, f"an element of {what}") for item in items])
        case OptionalType(element):
            return cast("Array", None) if given is None else converted(given, element, what)
        case MapType(key, element) if isinstance(given, dict):
            return cast("Array", _convert_map(cast("dict[object, object]", given), key, element, what))
        case TensorType() | UnrankedType():
            return _convert_tensor(given, type, what)
        case _:
            raise UsageError(
                f"{what} has the type {type!r}; fed was {_class_of(given)}",
                hint="feed a list for a sequence, an array or None for an optional, a dict for a map",
            )


def _convert_map(given: Mapping[object, object], key: DType, element: Type, what: str) -> dict[object, object]:
    """A map with keys of Python's own types and values of the element type, single elements as NumPy's scalars."""
    made: dict[object, object] = {}
    for name, value in given.items():
        plain: object = cast("np.generic[object]", name).item() if isinstance(name, np.generic) else name
        if isinstance(plain, bool) or not isinstance(plain, str if key is DType.STRING else int):
            raise UsageError(f"{what} has the key {name!r}, expected keys of {key}")
        held = converted(value, element, f"the value of {name!r} in {what}")
        is_single = isinstance(element, TensorType) and not element.shape and np.size(held) == 1
        made[plain] = held.reshape(())[()] if is_single else held
    return made


def _class_of(given: object) -> str:
    return type(given).__name__


def _convert_tensor(given: object, type: TensorType | UnrankedType, what: str) -> Array:
    wanted = type.dtype.dtype
    if isinstance(given, np.ndarray | np.generic):
        array = np.asarray(cast("Array", given))
    elif isinstance(given, SupportsDLPack):
        array = borrowed(given, what)
    elif isinstance(given, SupportsArray):
        array = np.asarray(cast("ArrayLike", given))
    else:
        return np.asarray(cast("ArrayLike", given), dtype=wanted)
    if array.dtype != wanted and not (type.dtype is DType.STRING and array.dtype.kind in "UST"):
        raise UsageError(f"{what} has elements of {array.dtype}, expected {type!r}", hint=f"convert it to {wanted}")
    return array


@runtime_checkable
class SupportsArray(Protocol):
    """What makes an array of itself (NumPy user guide, "Interoperability with NumPy")."""

    def __array__(self) -> Array:
        """The array."""
        ...


def _count_reads(graph: Graph) -> dict[Value, int]:
    reads: dict[Value, int] = {}
    for value in (*graph.outputs, *(value for node in graph.nodes for value in node.inputs if value is not None)):
        reads[value] = reads.get(value, 0) + 1
    return reads


def _read(graph: Graph, arrays: Mapping[Value, Array], value: Value | None) -> Array | None:
    if value is None:
        return None
    if value in arrays:
        return arrays[value]
    constant = graph.constant_of(value)
    if constant is None:
        raise InvalidModelError(f"{graph.name_of(value)!r} is read, but neither fed, nor a parameter, nor computed")
    return constant.array()


def run_node(node: Node, inputs: Sequence[Array | None], sizes: Sizes | None = None) -> tuple[Array, ...]:
    """The results of one node, whose sizes are known or in `sizes`, which learns those of the results.

    Raises:
        InvalidModelError: if it cannot compute; the error names its layer.
    """
    return _run_node(node, inputs, Sizes() if sizes is None else sizes)


def _run_node(node: Node, inputs: Sequence[Array | None], sizes: Sizes) -> tuple[Array, ...]:
    rule = definition(node).reference_rule
    if rule is None:
        raise InvalidModelError(f"operator {node.op.name!r} has no reference rule")
    with sourced(*node.source):
        attributes = sizes.fill(node.attributes)
        try:
            with np.errstate(all="ignore"):
                result = rule(*inputs, **_with_bodies(attributes, sizes))
        except (ValueError, IndexError, OverflowError, ZeroDivisionError) as error:
            raise InvalidModelError(f"{node.op.name} cannot compute on {_types(inputs)}: {error}") from error
        except TypeError as error:
            untold = ", ".join(dict.fromkeys(to_text(symbol) for symbol in symbols_in(attributes)))
            if not untold:
                raise
            raise InvalidModelError(f"{node.op.name} needs the sizes {untold}, which nothing tells") from error
        except MemoryError as error:
            raise UnsafeError(f"{node.op.name} needs more memory than there is, on {_types(inputs)}") from error
        results = tuple(map(_as_array, result if isinstance(result, tuple) else (result,)))
        _check_results(node, results, sizes)
    return results


def _as_array(result: object) -> Array:
    """What a rule made; NumPy makes scalars of arrays without axes."""
    return np.asarray(cast("ArrayLike", result)) if isinstance(result, np.generic) else cast("Array", result)


def _with_bodies(attributes: Mapping[str, Attribute], around: Sizes) -> Mapping[str, object]:
    """The attributes with bodies as functions."""
    if not any(isinstance(value, Graph) for value in attributes.values()):
        return attributes
    return {name: _Body(value, around) if isinstance(value, Graph) else value for name, value in attributes.items()}


def _types(values: Sequence[object]) -> str:
    return ", ".join(_type_of(value) for value in values)


def _type_of(value: object) -> str:
    if isinstance(value, np.ndarray):
        array = cast("Array", value)
        return f"{array.dtype}{list(array.shape)}"
    return "nothing" if value is None else f"a {_class_of(value)}"


def _check_results(node: Node, results: tuple[Array, ...], sizes: Sizes) -> None:
    arrivals: list[Arrival] = []
    for value, array in zip(node.outputs, results, strict=True):
        type = value.type
        if not isinstance(type, TensorType):
            continue
        if array.dtype != type.dtype.dtype:
            raise InvalidModelError(f"{node.op.name} made {array.dtype}, the graph says {type!r}")
        arrivals.append(Arrival(f"the result of {node.op.name}", type, array.shape))
    try:
        sizes.learn(arrivals)
    except UsageError as error:
        raise InvalidModelError(error.message) from error
