"""StableHLO's operators that LiteRT has kernels of; the others against NumPy in `test_stablehlo.py`."""

from __future__ import annotations

import numpy as np

from tests.frontends.tflite.cases.images import spread
from tests.frontends.tflite.models import Arrays, Case, Fed, Held, Model, Out, single

X = spread(2, 3)
Y = spread(2, 3, seed=1)
WHOLE = np.array([[3, -5, 7], [2, 9, -1]], np.int32)


def _cases() -> list[Case]:
    made = [single(f"STABLEHLO_{kind}", Fed(X), Fed(Y)) for kind in ("ADD", "MULTIPLY", "MAXIMUM", "MINIMUM")]
    few = Held(np.array([[1, 2, 3], [0, 1, 2]], np.int32))
    made.append(single("STABLEHLO_SHIFT_LEFT", Fed(WHOLE), few, results=[Out("int32")]))
    words = {
        "StablehloPadOptions": {
            "edge_padding_low": (1, 0),
            "edge_padding_high": (0, 2),
            "interior_padding": (0, 0),
        }
    }
    made.append(single("STABLEHLO_PAD", Fed(X), Held(np.float32(7)), options=words))
    gaps = {"edge_padding_low": (1, 0), "edge_padding_high": (0, 2), "interior_padding": (2, 1)}
    made.append(
        single("STABLEHLO_PAD", Fed(X), Held(np.float32(7)), options={"StablehloPadOptions": gaps}, name="gaps")
    )
    steps = Held(np.array([3, 2], np.int32))
    made.append(single("DILATE", Fed(X), steps, Held(np.float32(-1)), options={"DilateOptions": {}}))
    return made + _windows()


def _windows() -> list[Case]:
    shape, strides, gaps = (Held(np.array(each, np.int64)) for each in ([2, 3], [1, 2], [2, 1]))
    words = {name: {"ReduceWindowOptions": {"reduce_function": name}} for name in
             ("ADD", "MUL", "MINIMUM", "MAXIMUM", "ALL", "ANY")}  # fmt: skip
    reals, truths = spread(5, 8), spread(5, 8) > -0.5
    return [
        single("REDUCE_WINDOW", Fed(truths if name in ("ALL", "ANY") else reals), Held(start), shape, strides, gaps,
               options=words[name], name=name, results=[Out("bool" if name in ("ALL", "ANY") else "float32")])
        for name, start in (("ADD", np.float32(2)), ("MUL", np.float32(3)), ("MINIMUM", np.float32(0.5)),
                            ("MAXIMUM", np.float32(-9)), ("ALL", np.bool_(True)), ("ANY", np.bool_(False)))
    ]  # fmt: skip


def region(model: Model, kind: str | None, dtype: str = "float32") -> int:
    """A subgraph over two scalars: one operator, or the second one alone."""
    inner = model.subgraph("region")
    pair = [inner.input(dtype, ()), inner.input(dtype, ())]
    inner.outputs += pair[1:] if kind is None else inner.op(f"STABLEHLO_{kind}", pair, [Out(dtype)])
    return len(model.subgraphs) - 1


CUBE = np.arange(4 * 5 * 3, dtype=np.float32).reshape(4, 5, 3) / 8 - 2
_GATHERS: dict[str, tuple[Arrays, tuple[int, ...], dict[str, tuple[int, ...] | int]]] = {
    "rows": (np.array([[3], [0], [9], [-2]], np.int32), (4, 5, 3), {
        "offset_dims": (1, 2), "collapsed_slice_dims": (0,), "start_index_map": (0,), "slice_sizes": (1, 5, 3),
        "index_vector_dim": 1}),
    "edges": (np.array([[[1], [4]], [[2], [7]]], np.int64), (4, 2, 2, 3), {
        "offset_dims": (0, 3), "collapsed_slice_dims": (1,), "start_index_map": (1,), "slice_sizes": (4, 1, 3),
        "index_vector_dim": 2}),
    "windows": (np.array([[2, 0, 3], [1, 4, 2]], np.int32), (2, 3, 3, 2), {
        "offset_dims": (0, 2, 3), "collapsed_slice_dims": (), "start_index_map": (2, 0), "slice_sizes": (2, 3, 2),
        "index_vector_dim": 0}),
}  # fmt: skip


def _gathers() -> list[Case]:
    made: list[Case] = []
    for name, (indices, shape, words) in _GATHERS.items():
        made.append(
            single("STABLEHLO_GATHER", Fed(CUBE), Fed(indices), results=[Out(shape=shape)], name=name,
                   options={"StablehloGatherOptions": words})
        )  # fmt: skip
    return made


def _scatters() -> list[Case]:
    made: list[Case] = []
    rows = {"update_window_dims": (1, 2), "inserted_window_dims": (0,), "scatter_dims_to_operand_dims": (0,),
            "index_vector_dim": 1}  # fmt: skip
    parts = {"update_window_dims": (0, 2), "inserted_window_dims": (1,), "scatter_dims_to_operand_dims": (2, 1),
             "index_vector_dim": 1}  # fmt: skip
    at = np.array([[3], [0], [3], [7]], np.int32)
    spots = np.array([[1, 4], [0, 2], [2, 9], [1, 4]], np.int32)
    for kind in (None, "ADD", "MULTIPLY", "MAXIMUM", "MINIMUM"):
        for name, words, indices, shape in (("rows", rows, at, (4, 5, 3)), ("parts", parts, spots, (4, 4, 2))):
            model = Model()
            graph = model.subgraph()
            updates = spread(*shape, seed=2)
            operands = [graph.input("float32", CUBE.shape), graph.input("int32", indices.shape)]
            operands.append(graph.constant(updates))
            words = {**words, "update_computation_subgraph_index": region(model, kind)}
            options = {"StablehloScatterOptions": words}
            graph.outputs += graph.op("STABLEHLO_SCATTER", operands, [Out(shape=CUBE.shape)], options)
            made.append(Case(f"STABLEHLO_SCATTER {name} {kind}", model.data(), (CUBE, indices)))
    return made


def _places() -> list[Case]:
    return [*_gathers(), *_scatters()]


def _branches() -> list[Case]:
    made: list[Case] = []
    for index in (0, 1, 2, 3, -1):
        model = Model()
        graph = model.subgraph()
        operands = [graph.input("int32", ()), graph.input("float32", X.shape), graph.constant(Y)]
        options = {"StablehloCaseOptions": {"branch_subgraph_indices": (1, 2, 3)}}
        graph.outputs += graph.op("STABLEHLO_CASE", operands, [Out(shape=X.shape)], options)
        for kind in ("ADD", "MULTIPLY", "MAXIMUM"):
            inner = model.subgraph(kind)
            pair = [inner.input("float32", X.shape), inner.input("float32", X.shape)]
            inner.outputs += inner.op(f"STABLEHLO_{kind}", pair, [Out(shape=X.shape)])
        made.append(Case(f"STABLEHLO_CASE {index}", model.data(), (np.int32(index), X)))
    return made


def _regions() -> list[Case]:
    made: list[Case] = []
    for kind, start in (("ADD", 2), ("MULTIPLY", 1), ("MAXIMUM", -1), ("MINIMUM", 0.5)):
        model = Model()
        graph = model.subgraph()
        data = spread(5, 8)
        operands = [graph.input("float32", data.shape), graph.constant(np.float32(start))]
        words = {"window_dimensions": (2, 3), "window_strides": (1, 2), "base_dilations": (2, 1),
                 "window_dilations": (1, 2), "padding": (1, 0, 2, 1),
                 "body_subgraph_index": region(model, kind)}  # fmt: skip
        options = {"StablehloReduceWindowOptions": words}
        graph.outputs += graph.op("STABLEHLO_REDUCE_WINDOW", operands, [Out(shape=(9, 4))], options)
        made.append(Case(f"STABLEHLO_REDUCE_WINDOW {kind}", model.data(), (data,)))
    return made


CASES = (*_cases(), *_places(), *_branches(), *_regions())
"""The cases of this family."""
