"""Constant folding: what depends on weights and literals alone is computed now, by the reference."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from xir.ir.builder import sourced
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ir.source import Sources, unite
from xir.ir.types import DType, TensorType
from xir.limits import MAX_FOLDED_BYTES
from xir.ops import definition
from xir.ops.constant import constant
from xir.passes._chains import bare
from xir.passes._pipeline import Pass, Trace
from xir.reference.execute import run_node

SMALL_BYTES = 64 * 1024
"""A weight up to this size may be there twice."""

TABLE_BYTES = 256 * 1024
"""A result up to this size is folded even where it is larger than its operands: masks, grids, tables of positions.
onnxscript's limit is 512 * 512 elements (onnxscript/optimizer/_constant_folding.py)."""

GROWTH_BYTES = 4 * MAX_FOLDED_BYTES
"""By how much folding may make a model larger in all: a short file can ask for many small tensors, or prior boxes."""

_SIZE_AXES: Mapping[str, int] = {"shape_of": 0, "prior_box": 2}
"""Operators that read the sizes of their operands alone, from this axis on."""

_REPEATING = frozenset({"broadcast", "tile"})
"""Operators that only repeat their operand: every target does that while it computes, so the operand is kept."""

MAX_ADDRESSABLE_BYTES = 1 << 48
"""An operand beyond this size is not even imagined: NumPy refuses shapes past 2^63 bytes, and no machine has them."""

FREE_BYTES = 128 << 20
"""Bytes that a round of folding may make for any model, all held until its end; large ones as many as their weights."""

FREE_WORK = 1 << 31
"""Multiplications, or elements made, that folding may take for any model: about two seconds."""

WORK_PER_ELEMENT = 16
"""As `FREE_WORK`, for each element of the weights: large models fold in proportion."""

MAX_WORK = 1 << 29
"""As `FREE_WORK`, at one node: half a second."""

_STEPWISE = frozenset({"continued_lstm", "continued_rnn", "gru", "linear_attention", "lstm", "rnn"})
"""Operators whose steps follow one another."""

_INLINE_ELEMENTS = 64
"""A result up to this size is a literal; larger ones are weights with a name."""


def fold_constants(graph: Graph, trace: Trace) -> Graph:
    """The graph with every node whose operands are all known, or repeat what is known, replaced by its result.

    Nothing is folded that would be larger than its operands (a broadcast stays a node), takes more than 64 MiB, or has
    a size that is not known yet; nor a large weight that others read too, which would be there twice. A reshaped
    weight stays in its file. What depends on sizes alone (shape_of, prior_box) is folded when they are known.
    """
    budget = max(FREE_WORK, WORK_PER_ELEMENT * sum(held.constant.elements for held in graph.parameters))
    room = max(FREE_BYTES, sum(held.constant.nbytes for held in graph.parameters))

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        nonlocal room
        known = _known(node, rewriter)
        if known is None:
            return None
        made = 0 if node.op.name == "reshape" else sum(_bytes(value) or 0 for value in node.outputs)
        if made > room or not _is_affordable(node, known, trace, budget) or not _grow(node, known, trace):
            return None
        room -= made
        results = _reshaped(node, known) or tuple(constant_of(array) for array in _compute(node, known))
        trace.fire("fold_constants")
        with sourced(*_sources(node, rewriter)):
            return tuple(
                _placed(result, value, node, rewriter) for result, value in zip(results, node.outputs, strict=True)
            )

    return rewrite(graph, replace)


def _sources(node: Node, rewriter: Rewriter) -> Sources:
    """Those of a node and of the literals that it alone reads, which its result stands for too."""
    makers = (value.node for value in node.inputs if value is not None and rewriter.uses(value) < 2)
    return unite((node.source, *(maker.source for maker in makers if maker is not None)))


def _is_affordable(node: Node, known: Sequence[Constant | None], trace: Trace, budget: int) -> bool:
    """Whether the node may be computed now: the work of all of them stays in proportion to the file.

    The work of a product of a [M, K] and b [K, N] is M * K * N, the root of the product of all three sizes; that of
    everything else is about that of its largest tensor. What runs step by step, or element by element in Python
    (loops, recurrent layers, text), is computed where it is small; a loop may go on for ever.
    """
    if node.op.name == "reshape" or node.op.name in _SIZE_AXES:
        return True
    given = [held.elements for held in known if held is not None]
    made = [size for value in node.outputs if isinstance(size := value.tensor.elements, int)]
    if definition(node).host_reason is not None or node.op.name in _STEPWISE:
        bodies = any(isinstance(value, Graph) for value in node.attributes.values())
        if bodies or sum(given) + sum(made) > SMALL_BYTES:
            return False
    largest = sorted((*given, *made, 1, 1, 1))[-3:]
    work = max(largest[-1], math.isqrt(math.prod(largest)))
    if trace.worked + work > budget or work > MAX_WORK:
        return False
    trace.worked += work
    return True


def _grow(node: Node, known: Sequence[Constant | None], trace: Trace) -> bool:
    """Whether the model may grow by what the node makes; what is reshaped takes no room."""
    made = 0 if node.op.name == "reshape" else sum(_bytes(value) or 0 for value in node.outputs)
    more = max(0, made - sum(held.nbytes for held in known if held is not None and node.op.name not in _SIZE_AXES))
    if trace.grown + more > GROWTH_BYTES:
        return False
    trace.grown += more
    return True


def _known(node: Node, rewriter: Rewriter) -> list[Constant | None] | None:
    """The operands' elements, or None when the node is not to be folded."""
    if node.op.name == "constant" or node.op.has_effect or definition(node).kept_reason is not None:
        return None
    result = 0
    for value in node.outputs:
        size = _bytes(value)
        if size is None:
            return None
        result += size
    if node.op.name in _SIZE_AXES:
        return _sized(node) if result <= MAX_FOLDED_BYTES else None
    own = [_held(value, rewriter) for value in node.inputs]
    if any(value is not None and held is None for value, held in zip(node.inputs, own, strict=True)):
        return None
    given = sum(held.nbytes for held in own if held is not None)
    operands = [_repeated(held, value) for held, value in zip(own, node.inputs, strict=True)]
    if node.op.name == "reshape" and operands == own:
        return operands
    if node.op.name in _REPEATING and result > given:
        return None
    if result > SMALL_BYTES and any(
        value is not None and held is not None and held.nbytes > SMALL_BYTES and rewriter.uses(value) > 1
        for value, held in zip(node.inputs, own, strict=True)
    ):
        return None
    return operands if max(result, given) <= MAX_FOLDED_BYTES and result <= max(given, TABLE_BYTES) else None


def _held(value: Value | None, rewriter: Rewriter) -> Constant | None:
    """What a value holds, or repeats; None where it is not known how often.

    None, too, for more elements than NumPy makes a view of, though one stands for all.
    """
    if value is None or (_bytes(value) or 0) > sys.maxsize:
        return None
    if isinstance(value.type, TensorType) and value.type.static_shape is None:
        return None
    return rewriter.constant_of(bare(value))


def _repeated(held: Constant | None, value: Value | None) -> Constant | None:
    """The elements of an operand, where `held` is what it repeats: in no more memory than that."""
    shape = None if value is None or held is None else value.tensor.static_shape
    if held is None or shape is None or held.shape == shape:
        return held
    return constant_of(np.broadcast_to(held.array(), shape))


def _sized(node: Node) -> list[Constant | None] | None:
    """Operands of the right sizes that hold one element again and again, or None where a size is not known."""
    first = _SIZE_AXES[node.op.name]
    made: list[Constant | None] = []
    for value in node.inputs:
        if value is None or any(not isinstance(size, int) for size in value.shape[first:]):
            return None
        shape = tuple(size if isinstance(size, int) else 1 for size in value.shape)
        if max(_bytes(Value(TensorType(value.dtype, shape))) or 0, *shape, 0) > MAX_ADDRESSABLE_BYTES:
            return None
        made.append(constant_of(np.broadcast_to(np.zeros((), value.dtype.dtype), shape)))
    return made


def _bytes(value: Value) -> int | None:
    """The bytes that a tensor whose size is known takes in a file; None for everything else."""
    type = value.type
    if not isinstance(type, TensorType) or type.static_shape is None or type.dtype is DType.STRING:
        return None
    elements = 1
    for size in type.static_shape:
        elements *= size
    return (elements * type.dtype.bits + 7) // 8


def _reshaped(node: Node, known: Sequence[Constant | None]) -> tuple[Constant, ...] | None:
    shape = node.outputs[0].tensor.static_shape
    held = known[0] if known else None
    return (held.reshaped(shape),) if node.op.name == "reshape" and held is not None and shape is not None else None


def _compute(node: Node, known: Sequence[Constant | None]) -> tuple[Array, ...]:
    return run_node(node, [None if held is None else held.array() for held in known])


def _placed(result: Constant, value: Value, node: Node, rewriter: Rewriter) -> Value:
    weights = () if node.op.name in _SIZE_AXES else node.inputs
    origin = next((each for each in weights if each is not None and rewriter.name_of(each) is not None), None)
    name = None if origin is None else rewriter.name_of(origin)
    if name is None and result.elements <= _INLINE_ELEMENTS:
        return constant(value=result)
    trainable = origin is not None and rewriter.is_trainable(origin)
    return rewriter.parameter(result, name or _name(node), trainable=trainable)


def _name(node: Node) -> str:
    """`<layer>.<operator>`, as weights are called that a layer brings itself."""
    layer = node.source[-1].layer if node.source else ""
    return f"{layer}.{node.op.name}" if layer else f"{node.op.name}_folded"


PASS = Pass("fold_constants", "what depends on weights and literals alone is computed once", fold_constants)
