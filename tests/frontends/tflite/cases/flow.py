"""Branches, loops, variables, sparse weights and custom operators: models of several subgraphs."""

from __future__ import annotations

import numpy as np

from tests.frontends.tflite.cases.images import spread
from tests.frontends.tflite.models import Case, Fed, Held, Model, Out, Subgraph, single

X = np.array([1.0, -2.0, 3.0], np.float32)


def _branch(model: Model, name: str, kind: str, table: str) -> Subgraph:
    inner = model.subgraph(name)
    pair = [inner.input("float32", (3,)), inner.input("float32", (3,))]
    inner.outputs += inner.op(kind, pair, [Out(shape=(3,))], {table: {}})
    return inner


def branches() -> list[Case]:
    """IF, either way."""
    made = []
    for condition in (True, False):
        model = Model()
        graph = model.subgraph()
        truth, x = graph.input("bool", ()), graph.input("float32", (3,))
        held = graph.constant(np.full(3, 2, np.float32))
        words = {"IfOptions": {"then_subgraph_index": 1, "else_subgraph_index": 2}}
        graph.outputs += graph.op("IF", [truth, x, held], [Out(shape=(3,))], words)
        _branch(model, "then", "MUL", "MulOptions")
        _branch(model, "else", "SUB", "SubOptions")
        made.append(Case(f"IF {condition}", model.data(), (np.array(condition), X)))
    return made


def loops() -> list[Case]:
    """WHILE, with a tensor that grows in value and a counter."""
    model = Model()
    graph = model.subgraph()
    first, x = graph.input("int32", ()), graph.input("float32", (3,))
    words = {"WhileOptions": {"cond_subgraph_index": 1, "body_subgraph_index": 2}}
    graph.outputs += graph.op("WHILE", [first, x], [Out("int32"), Out(shape=(3,))], words)
    condition = model.subgraph("condition")
    count = condition.input("int32", ())
    condition.input("float32", (3,))
    condition.outputs += condition.op("LESS", [count, condition.constant(np.int32(5))], [Out("bool")])
    body = model.subgraph("body")
    count, held = body.input("int32", ()), body.input("float32", (3,))
    more = body.op("ADD", [count, body.constant(np.int32(1))], [Out("int32")], {"AddOptions": {}})
    twice = body.op("ADD", [held, held], [Out(shape=(3,))], {"AddOptions": {}})
    body.outputs += [*more, *twice]
    return [Case(f"WHILE {start}", model.data(), (np.int32(start), X)) for start in (2, 7)]


def variables() -> list[Case]:
    """CALL_ONCE that assigns a variable; a run that reads it, and one that changes it."""
    made = []
    for changes in (False, True):
        model = Model()
        graph = model.subgraph()
        x = graph.input("float32", (3,))
        graph.op("CALL_ONCE", [], [], {"CallOnceOptions": {"init_subgraph_index": 1}})
        handle = {"VarHandleOptions": {"container": "", "shared_name": "v"}}
        (place,) = graph.op("VAR_HANDLE", [], [Out("RESOURCE")], handle)
        (held,) = graph.op("READ_VARIABLE", [place], [Out(shape=(3,))])
        graph.outputs += graph.op("ADD", [x, held], [Out(shape=(3,))], {"AddOptions": {}})
        if changes:
            graph.op("ASSIGN_VARIABLE", [place, graph.outputs[0]], [])
        start = model.subgraph("start")
        (place,) = start.op("VAR_HANDLE", [], [Out("RESOURCE")], handle)
        start.op("ASSIGN_VARIABLE", [place, start.constant(np.array([5, 6, 7], np.float32))], [])
        made.append(Case(f"READ_VARIABLE changes {changes}", model.data(), (X,)))
    return made


SPARSE = np.array([[0, 0, 2, 0], [0, 0, 0, 0], [-1, 0, 0, 4]], np.float32)
"""Rows of which one is empty."""


def sparse_fields() -> dict[str, object]:
    """SPARSE as compressed rows: dense over the rows, then segments and the columns' indices."""
    rows = {"format": "DENSE", "dense_size": 3}
    columns = {
        "format": "SPARSE_CSR",
        "array_segments": {"Int32Vector": {"values": (0, 1, 1, 3)}},
        "array_indices": {"Uint8Vector": {"values": (2, 0, 3)}},
    }
    return {"traversal_order": (0, 1), "dim_metadata": (rows, columns)}


BLOCKS = np.zeros((4, 4), np.float32)
BLOCKS[2:, :2] = [[1, 2], [3, 4]]
BLOCKS[:2, 2:] = [[5, 6], [7, 8]]


def block_fields() -> dict[str, object]:
    """BLOCKS as blocks of 2 x 2."""
    dense = [{"format": "DENSE", "dense_size": 2}] * 2
    rows = {"format": "DENSE", "dense_size": 2}
    columns = {
        "format": "SPARSE_CSR",
        "array_segments": {"Uint16Vector": {"values": (0, 1, 2)}},
        "array_indices": {"Uint16Vector": {"values": (1, 0)}},
    }
    return {"traversal_order": (0, 1, 2, 3), "block_map": (0, 1), "dim_metadata": (rows, columns, *dense)}


def sparse() -> list[Case]:
    """DENSIFY of compressed rows, and of blocks."""
    made = []
    for name, shape, values, fields in (
        ("rows", (3, 4), np.array([2, -1, 4], np.float32), sparse_fields()),
        ("blocks", (4, 4), np.array([5, 6, 7, 8, 1, 2, 3, 4], np.float32), block_fields()),
    ):
        model = Model()
        graph = model.subgraph()
        x = graph.input("float32", shape)
        held = graph.tensor("float32", shape, buffer=model.buffer(values.tobytes()), sparsity=fields)
        whole = graph.op("DENSIFY", [held], [Out(shape=shape)])
        graph.outputs += graph.op("ADD", [x, *whole], [Out(shape=shape)], {"AddOptions": {}})
        made.append(Case(f"DENSIFY {name}", model.data(), (np.zeros(shape, np.float32),)))
    return made


def composites() -> list[Case]:
    """STABLEHLO_COMPOSITE: its decomposition."""
    model = Model()
    graph = model.subgraph()
    pair = [graph.input("float32", (3,)), graph.constant(X)]
    words = {"StableHLOCompositeOptions": {"name": "xir.pair", "decomposition_subgraph_index": 1, "version": 1}}
    words["StableHLOCompositeOptions"]["composite_attributes"] = bytes((0, 0, 1, 36, 1))  # an empty map
    graph.outputs += graph.op("STABLEHLO_COMPOSITE", pair, [Out(shape=(3,))], words)
    _branch(model, "pair", "MUL", "MulOptions")
    return [Case("STABLEHLO_COMPOSITE", model.data(), (X + 1,))]


def transposed_with_bias() -> Case:
    """MediaPipe's operator, which LiteRT does not have."""
    words = b"".join(np.int32(number).tobytes() for number in (1, 2, 2))
    weights, bias = Held(spread(2, 2, 2, 3, seed=1)), Held(spread(2))
    return single("CUSTOM:Convolution2DTransposeBias", Fed(spread(1, 3, 4, 3)), weights, bias, custom=words)


CASES = (*branches(), *loops(), *variables(), *sparse(), *composites())
"""The cases of this family."""
