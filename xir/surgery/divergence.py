"""Where two models begin to differ: the first layer that does, cut out of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xir._loading import Model, read, second_options
from xir.errors import UsageError
from xir.frontends.options import LoadOptions
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.reference import random_inputs
from xir.surgery.extraction import extract_values
from xir.verification import ATOL, RTOL, Difference, check_memory, compare, workable_sizes
from xir.verification.layers import Pair, pair_layers, values_of
from xir.verification.memory import check_held


@dataclass(frozen=True, slots=True, eq=False)
class Divergence:
    """The first layer that two models compute differently, with what lies between it and what they agree on.

    Attributes:
        a: the part of the first model.
        b: the part of the second model; its inputs and outputs are in the order of the first one's.
        feeds: the inputs of both parts, by the first one's names.
        layer: the layer's name.
        difference: how far the results are apart.
        nodes: how many operators the whole models have.
    """

    a: Graph
    b: Graph
    feeds: Mapping[str, Array]
    layer: str
    difference: Difference
    nodes: tuple[int, int]

    def to_dict(self) -> dict[str, object]:
        """The divergence as plain data, as `--json` prints it."""
        return {
            "version": 1,
            "layer": self.layer,
            "difference": self.difference.to_dict(),
            "before": list(self.nodes),
            "after": [len(self.a.nodes), len(self.b.nodes)],
            "inputs": list(self.a.input_names),
            "outputs": list(self.a.output_names),
        }


def reduce_against(
    a: Model,
    b: Model,
    *,
    feeds: Mapping[str, Array] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    rtol: float = RTOL,
    atol: float = ATOL,
    options: LoadOptions | None = None,
) -> Divergence:
    """The smallest parts of two models that should compute the same, and do not.

    Both run on the same inputs by the reference. The first pair of layers (in the order of `a`) whose results differ is
    cut out of both, from the nearest pairs before it that agree.

    Args:
        a: the first model: a file, or a graph.
        b: the second model.
        feeds: the inputs of `a` by name; without them they are made up from `seeds`.
        seeds: seeds of made-up inputs.
        rtol: relative tolerance.
        atol: absolute tolerance, which grows with a layer's largest element.
        options: how to read the first file.

    Raises:
        UsageError: if no layer that both have differs, or the two take different inputs.
    """
    first, second = read(a, options).graph, read(b, second_options(options)).graph
    if len(first.inputs) != len(second.inputs):
        raise UsageError(f"the models take {list(first.input_names)} and {list(second.input_names)}")
    pairs, _ = pair_layers(first, second)
    if feeds is None:
        for graph in (first, second):
            check_memory(graph, what="the comparison")
    check_held([pair.a for pair in pairs], [pair.b for pair in pairs])
    least = workable_sizes(first, seeds[0]) if feeds is None and seeds else None
    for given in (feeds,) if feeds is not None else (random_inputs(first, seed, least=least) for seed in seeds):
        found = _diverging(first, second, pairs, given, (rtol, atol))
        if found is not None:
            return found
    raise UsageError(
        f"none of the {len(pairs)} layers that both models have differs: there is nothing to reduce",
        hint="xir verify A B --per-layer compares them; give the inputs on which they differ",
    )


def _diverging(
    a: Graph, b: Graph, pairs: Sequence[Pair], feeds: Mapping[str, Array], tolerance: tuple[float, float]
) -> Divergence | None:
    """The first pair that differs on these inputs, cut out."""
    by_place = _partners_of_inputs(a, b)
    others = {b.name_of(by_place[value]): feeds[a.name_of(value)] for value in a.inputs}
    held_a, _ = values_of(a, {pair.a for pair in pairs}, feeds)
    held_b, _ = values_of(b, {pair.b for pair in pairs}, others)
    agreed = dict(by_place)
    for pair in pairs:
        mine, theirs = held_a[pair.a], held_b[pair.b]
        scale = max(1.0, float(np.abs(mine.astype(np.float64)).max(initial=0.0))) if mine.dtype.kind == "f" else 1.0
        scale = scale if np.isfinite(scale) else 1.0
        difference = compare(pair.name, mine, theirs, rtol=tolerance[0], atol=tolerance[1] * scale)
        if difference.equal:
            agreed[pair.a] = pair.b
            continue
        cut = _frontier(pair.a, set(agreed)) | _frontier_behind(pair.b, agreed)
        name = pair.name or "out"
        arrays = {**held_a, **{value: feeds[a.name_of(value)] for value in a.inputs}}
        part_a = extract_values(a, list(cut), {name: pair.a})
        part_b = extract_values(b, [agreed[value] for value in cut], {name: pair.b})
        fed = {a.name_of(value): arrays[value] for value in cut}
        return Divergence(part_a, part_b, fed, name, difference, (len(a.nodes), len(b.nodes)))
    return None


def _partners_of_inputs(a: Graph, b: Graph) -> dict[Value, Value]:
    """Inputs pair by name where all names are the same, else by position."""
    if set(a.input_names) == set(b.input_names):
        named = dict(zip(b.input_names, b.inputs, strict=True))
        return {value: named[name] for name, value in zip(a.input_names, a.inputs, strict=True)}
    return dict(zip(a.inputs, b.inputs, strict=True))


def _frontier(end: Value, stops: set[Value]) -> dict[Value, None]:
    """The values in `stops` at which the way back from `end` ends."""
    found: dict[Value, None] = {}
    seen, pending = {end}, [end]
    while pending:
        value = pending.pop()
        if value in stops:
            found[value] = None
        elif value.node is not None:
            fresh = [operand for operand in value.node.inputs if operand is not None and operand not in seen]
            seen.update(fresh)
            pending += reversed(fresh)
    return found


def _frontier_behind(end: Value, agreed: Mapping[Value, Value]) -> dict[Value, None]:
    """The frontier of the second model, by the first one's values."""
    back = {b: a for a, b in agreed.items()}
    return {back[value]: None for value in _frontier(end, set(back))}
