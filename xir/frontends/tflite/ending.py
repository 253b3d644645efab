"""A model up to tensors that a person names: what stands behind them is not read, whatever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xir.frontends.tflite.model import Subgraph, TfliteModel, TfliteOperator


def ending(model: TfliteModel, number: int, names: Sequence[str]) -> TfliteModel:
    """The model whose subgraph ends at tensors, with the operators that these need and those that make no tensor.

    A name that no result has, or several tensors have, may be one that the graph gets: the model is as it was then.
    """
    subgraph = model.subgraphs[number]
    made = {index for operator in subgraph.operators for index in operator.outputs}
    found = [[index for index, each in enumerate(subgraph.tensors) if each.name == name] for name in names]
    ends = tuple(places[0] for places in found if len(places) == 1 and places[0] in made)
    if not ends or len(ends) != len(found):
        return model
    cut = replace(subgraph, operators=_needed(subgraph, ends), outputs=ends)
    return replace(model, subgraphs=(*model.subgraphs[:number], cut, *model.subgraphs[number + 1 :]))


def _needed(subgraph: Subgraph, ends: Sequence[int]) -> tuple[TfliteOperator, ...]:
    """The operators that tensors need, in their order; one that makes none changes state."""
    needed = set(ends)
    kept: list[TfliteOperator] = []
    for operator in reversed(subgraph.operators):
        if not operator.outputs or not needed.isdisjoint(operator.outputs):
            kept.append(operator)
            needed.update(operator.inputs)
    return tuple(reversed(kept))
